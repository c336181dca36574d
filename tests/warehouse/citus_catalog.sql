-- As much of Citus as the product asks: its catalog, and functions that only note what they were told to distribute.
-- No row moves; what a real coordinator refuses is not refused here.
SET allow_system_table_mods = on;

CREATE TABLE pg_catalog.pg_dist_node (noderole text, isactive boolean, shouldhaveshards boolean);
INSERT INTO pg_catalog.pg_dist_node VALUES
('primary', true, true), ('primary', true, true), ('primary', true, false), ('secondary', true, true);
GRANT SELECT ON pg_catalog.pg_dist_node TO public;

CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod text, partkey text, beside text);
CREATE TABLE public.truncated (name regclass);

CREATE FUNCTION pg_catalog.create_distributed_table(regclass, text, text, text) RETURNS void
LANGUAGE sql AS 'INSERT INTO pg_catalog.pg_dist_partition VALUES ($1, left($3, 1), $2, $4)';

CREATE FUNCTION pg_catalog.truncate_local_data_after_distributing_table(regclass) RETURNS void
LANGUAGE sql AS 'INSERT INTO public.truncated VALUES ($1)';
