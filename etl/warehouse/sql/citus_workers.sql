-- How many workers hold rows, and whether our tables are distributed over them.
SELECT
    (
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_dist_node AS n
        WHERE n.noderole = 'primary' AND n.isactive AND n.shouldhaveshards
    ) AS workers,
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_dist_partition AS p
        WHERE p.logicalrelid = pg_catalog.to_regclass('talkdesk.imports')
    ) AS is_distributed
