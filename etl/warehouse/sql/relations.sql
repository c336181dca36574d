-- Tables, views and functions of the schema as the catalogs have them; Alembic's table is nobody's data.
WITH place AS (
    SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'talkdesk'
)
SELECT
    c.oid::bigint AS id, c.relname AS name,
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind,
    NULL AS arguments, pg_catalog.obj_description(c.oid, 'pg_class') AS comment
FROM place
INNER JOIN pg_catalog.pg_class AS c ON c.relnamespace = place.oid
WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition AND c.relname <> 'alembic_version'
UNION ALL
SELECT
    f.oid::bigint, f.proname, 'function',
    pg_catalog.pg_get_function_arguments(f.oid), pg_catalog.obj_description(f.oid, 'pg_proc')
FROM place
INNER JOIN pg_catalog.pg_proc AS f ON f.pronamespace = place.oid
WHERE f.prokind = 'f'
ORDER BY name, arguments
