-- Which of our tables and views stand in the schema, whoever made them.
SELECT c.relname::text
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'talkdesk' AND c.relname = any(CAST(:names AS text[]))
