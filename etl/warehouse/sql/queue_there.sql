-- Whether the workers' queue is in this database, and this role may look at it. Without the right to the schema even
-- the question for its tables is refused.
SELECT
    CASE
        WHEN has_schema_privilege(to_regnamespace('procrastinate'), 'USAGE')
            THEN coalesce(
                has_table_privilege(to_regclass('procrastinate.procrastinate_jobs'), 'SELECT')
                AND has_table_privilege(to_regclass('procrastinate.procrastinate_events'), 'SELECT'),
                FALSE
            )
        ELSE FALSE
    END AS there
