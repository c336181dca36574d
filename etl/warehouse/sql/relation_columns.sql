-- Columns of a table, a view, or of what a function returns, be that rows of a table, of a type, or of its own making.
WITH form AS (
    SELECT c.oid FROM pg_catalog.pg_class AS c WHERE :kind <> 'function' AND c.oid = CAST(:id AS bigint)
    UNION ALL
    SELECT t.typrelid
    FROM pg_catalog.pg_proc AS f
    INNER JOIN pg_catalog.pg_type AS t ON t.oid = f.prorettype
    WHERE :kind = 'function' AND f.oid = CAST(:id AS bigint)
)
SELECT name, type, nullable, comment FROM (
    SELECT
        a.attnum AS place, a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
        NOT a.attnotnull AS nullable, pg_catalog.col_description(a.attrelid, a.attnum) AS comment
    FROM form
    INNER JOIN pg_catalog.pg_attribute AS a ON a.attrelid = form.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT argument.place, argument.name, pg_catalog.format_type(argument.type, NULL), true, NULL
    FROM pg_catalog.pg_proc AS f
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(f.proargnames), pg_catalog.unnest(f.proallargtypes), pg_catalog.unnest(f.proargmodes)
    ) WITH ORDINALITY AS argument (name, type, mode, place)
    WHERE :kind = 'function' AND f.oid = CAST(:id AS bigint) AND argument.mode IN ('t', 'o', 'b')
) AS found
ORDER BY place
