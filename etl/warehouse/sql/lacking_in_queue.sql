-- What gives the role the rights of a worker in the queue's schema; no row if it has them.
SELECT
    'GRANT USAGE ON SCHEMA procrastinate TO ' || r.name
    || '; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA procrastinate TO ' || r.name
    || '; GRANT USAGE ON ALL SEQUENCES IN SCHEMA procrastinate TO ' || r.name AS lines
FROM (SELECT quote_ident(current_user) AS name) AS r
WHERE
    NOT has_schema_privilege('procrastinate', 'USAGE')
    OR EXISTS (
        SELECT FROM pg_catalog.pg_class AS c
        WHERE
            c.relnamespace = to_regnamespace('procrastinate')
            AND CASE c.relkind
                WHEN 'r' THEN NOT (
                    has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                    AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
                )
                WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE')
                ELSE FALSE
            END
    )
