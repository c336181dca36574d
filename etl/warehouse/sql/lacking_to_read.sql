-- What gives the role the rights of a reader.
WITH
me AS (SELECT quote_ident(current_user) AS name),
place AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'talkdesk'),
lacking AS (
    SELECT 'talkdesk.' || quote_ident(c.relname) AS name, pg_get_userbyid(c.relowner) AS owner
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = (SELECT oid FROM place) AND c.relkind IN ('r', 'p', 'v')
        AND c.relname <> 'rejected_items' AND NOT has_table_privilege(c.oid, 'SELECT')
)
SELECT line FROM (
    SELECT 1 AS place, 'GRANT USAGE ON SCHEMA talkdesk TO ' || me.name AS line
    FROM me, place
    WHERE NOT has_schema_privilege(place.oid, 'USAGE')
    UNION ALL
    SELECT 2, 'GRANT SELECT ON ' || string_agg(lacking.name, ', ' ORDER BY lacking.name) || ' TO ' || me.name
    FROM lacking, me
    GROUP BY me.name
    UNION ALL
    SELECT 3, 'GRANT SELECT (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        || ') ON talkdesk.rejected_items TO ' || me.name
    FROM me, place
    INNER JOIN pg_catalog.pg_class AS c ON c.relnamespace = place.oid AND c.relname = 'rejected_items'
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE a.attname <> 'item' AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')
    GROUP BY me.name
    UNION ALL
    SELECT 4, 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA talkdesk TO ' || me.name
    FROM me, place
    WHERE EXISTS (
        SELECT FROM pg_catalog.pg_proc AS f
        WHERE f.pronamespace = place.oid AND NOT has_function_privilege(f.oid, 'EXECUTE')
    )
    UNION ALL
    SELECT DISTINCT 5, 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || quote_ident(owner)
        || ' IN SCHEMA talkdesk GRANT ' || later || ' TO ' || me.name
    FROM lacking, me, unnest(ARRAY['SELECT ON TABLES', 'EXECUTE ON FUNCTIONS']) AS later
) AS found
ORDER BY place, line
