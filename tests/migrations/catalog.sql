-- What a schema holds, one line a thing, in words that do not change with the version of Postgres.
WITH lines AS (
    SELECT
        c.relname AS thing,
        0 AS rank,
        0 AS number,
        format(
            '%s %s -- %s', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname,
            obj_description(c.oid, 'pg_class')
        ) AS line
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'talkdesk'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
    UNION ALL
    SELECT
        c.relname,
        1,
        a.attnum,
        format(
            '    %s %s%s%s -- %s', a.attname, format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN ' NOT NULL' END, ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
            col_description(c.oid, a.attnum)
        )
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'talkdesk'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
    UNION ALL
    SELECT
        c.relname, 2, row_number() OVER (PARTITION BY c.relname ORDER BY k.conname),
        format('    %s: %s', k.conname, pg_get_constraintdef(k.oid))
    FROM pg_catalog.pg_constraint AS k
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
    -- From 18 on, NOT NULL is a constraint as well.
    WHERE k.connamespace = 'talkdesk'::regnamespace AND k.contype <> 'n'
    UNION ALL
    SELECT
        x.tablename, 3, row_number() OVER (PARTITION BY x.tablename ORDER BY x.indexname), format('    %s', x.indexdef)
    FROM pg_catalog.pg_indexes AS x
    WHERE x.schemaname = 'talkdesk'
    UNION ALL
    SELECT
        p.proname, 4, 0,
        format(
            'FUNCTION %s(%s) RETURNS %s %s -- %s', p.proname, pg_get_function_arguments(p.oid),
            pg_get_function_result(p.oid), CASE p.provolatile WHEN 's' THEN 'STABLE' ELSE p.provolatile::text END,
            obj_description(p.oid, 'pg_proc')
        )
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'talkdesk'::regnamespace
)

SELECT line FROM lines WHERE thing <> 'alembic_version' ORDER BY thing COLLATE "C", rank, number
