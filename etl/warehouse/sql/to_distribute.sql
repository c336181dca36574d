-- Our tables whose rows belong to an account and are not distributed yet, and one that is, beside which they are put.
SELECT
    c.oid::pg_catalog.regclass::text AS name,
    (
        SELECT there.logicalrelid::pg_catalog.regclass::text
        FROM pg_catalog.pg_dist_partition AS there
        WHERE there.logicalrelid = any(CAST(:names AS pg_catalog.regclass[])) AND there.partmethod = 'h'
        ORDER BY 1
        LIMIT 1
    ) AS beside
FROM pg_catalog.pg_class AS c
WHERE
    c.oid = any(CAST(:names AS pg_catalog.regclass[]))
    AND c.oid NOT IN (SELECT d.logicalrelid FROM pg_catalog.pg_dist_partition AS d)
ORDER BY 1
