-- Whether Citus is installed in this database.
SELECT pg_catalog.to_regclass('pg_catalog.pg_dist_node') IS NOT NULL
