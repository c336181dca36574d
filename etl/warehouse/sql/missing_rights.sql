-- What the role lacks of what a sync needs, in words of GRANT; :tables and :rights are arrays side by side.
SELECT 'TEMPORARY ON DATABASE ' || quote_ident(current_database()) AS missing
WHERE NOT has_database_privilege(current_database(), 'TEMPORARY')
UNION ALL
SELECT 'CREATE ON DATABASE ' || quote_ident(current_database())
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'talkdesk')
    AND NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT 'USAGE ON SCHEMA talkdesk'
FROM pg_catalog.pg_namespace
WHERE nspname = 'talkdesk' AND NOT has_schema_privilege(oid, 'USAGE')
UNION ALL
SELECT string_agg(needed.privilege, ', ' ORDER BY needed.privilege) || ' ON talkdesk.' || c.relname
FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[])) AS needed (relname, privilege)
INNER JOIN pg_catalog.pg_class AS c ON c.relname = needed.relname
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'talkdesk'
WHERE NOT has_table_privilege(c.oid, needed.privilege)
GROUP BY c.relname
