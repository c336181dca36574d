-- What gives the role the rights that a sync needs; :tables and :rights are arrays side by side.
WITH
me AS (SELECT quote_ident(current_user) AS name, quote_ident(current_database()) AS database),
lacking AS (
    SELECT
        c.relname,
        pg_get_userbyid(c.relowner) AS owner,
        string_agg(needed.privilege, ', ' ORDER BY needed.privilege) AS privileges
    FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[])) AS needed (relname, privilege)
    INNER JOIN pg_catalog.pg_class AS c ON c.relname = needed.relname
    INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'talkdesk'
    WHERE NOT has_table_privilege(c.oid, needed.privilege)
    GROUP BY c.relname, c.relowner
)
SELECT line FROM (
    SELECT 1 AS place, 'GRANT TEMPORARY ON DATABASE ' || me.database || ' TO ' || me.name AS line FROM me
    WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
    UNION ALL
    SELECT 2, 'GRANT CREATE ON DATABASE ' || me.database || ' TO ' || me.name FROM me
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'talkdesk')
        AND NOT has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    SELECT 3, 'GRANT USAGE ON SCHEMA talkdesk TO ' || me.name
    FROM me, pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'talkdesk' AND NOT has_schema_privilege(n.oid, 'USAGE')
    UNION ALL
    SELECT 4, 'GRANT ' || privileges || ' ON ' || string_agg('talkdesk.' || relname, ', ' ORDER BY relname) || ' TO ' || me.name
    FROM lacking, me
    GROUP BY privileges, me.name
    UNION ALL
    SELECT DISTINCT 5, 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || quote_ident(owner)
        || ' IN SCHEMA talkdesk GRANT ' || later || ' TO ' || me.name
    FROM lacking, me, unnest(ARRAY['SELECT, INSERT, UPDATE, DELETE ON TABLES', 'EXECUTE ON FUNCTIONS']) AS later
) AS found
ORDER BY place, line
