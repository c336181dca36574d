-- What the comment of the queue's schema says of its version; no row if there is no such schema.
SELECT obj_description(n.oid, 'pg_namespace') AS note
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = 'procrastinate'
