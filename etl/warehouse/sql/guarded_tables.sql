SELECT c.relname::text
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'talkdesk' AND c.relkind IN ('r', 'p') AND row_security_active(c.oid)
