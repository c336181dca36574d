-- What the page asks. Times are instants; days are those of UTC. :accounts names those it is about.

-- clock --
SELECT now() AS as_of, (SELECT max(a.version_num) FROM talkdesk.alembic_version AS a) AS revision

-- health --
SELECT h.account, h.resource, h.last_success_at, h.rows, h.rejected, h.hours_until_loss
FROM talkdesk.sync_health AS h
WHERE h.account = ANY(CAST(:accounts AS text []))

-- gaps --
SELECT g.account, g.gap_from, g.gap_to
FROM talkdesk.coverage_gaps AS g
WHERE g.account = ANY(CAST(:accounts AS text []))
ORDER BY g.gap_from DESC

-- incomplete --
-- Finished imports whose records are not all here, and are not to be had any more or have not been read yet.
SELECT h.account, count(*) AS imports
FROM talkdesk.import_history AS h
WHERE
    h.account = ANY(CAST(:accounts AS text [])) AND h.is_terminal
    AND (h.records_missing > 0 OR h.records_loaded_at IS NULL)
GROUP BY h.account

-- listings --
-- On which days the list of imports was read to its end.
SELECT r.account, (r.started_at AT TIME ZONE 'UTC')::date AS day, count(*) AS listings
FROM talkdesk.sync_runs AS r
INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
WHERE
    r.account = ANY(CAST(:accounts AS text [])) AND s.resource = 'imports' AND s.complete
    AND r.started_at >= now() - interval '90 days' AND r.window_from IS NULL AND r.window_to IS NULL
GROUP BY r.account, day

-- daily --
SELECT
    (h.created_at AT TIME ZONE 'UTC')::date AS day,
    CASE
        WHEN h.status IN ('COMPLETED', 'SUCCESSFUL') THEN 'completed'
        WHEN h.status = 'COMPLETED_WITH_ERRORS' THEN 'with errors'
        WHEN h.status = 'FAILED' THEN 'failed'
        WHEN h.status = 'CANCELED' THEN 'cancelled'
        ELSE 'under way'
    END AS outcome,
    count(*) AS imports,
    coalesce(sum(h.completed_records), 0)::bigint AS completed,
    coalesce(sum(h.failed_records), 0)::bigint AS failed
FROM talkdesk.import_history AS h
WHERE
    h.account = ANY(CAST(:accounts AS text []))
    AND h.created_at >= :since AND h.created_at < :until
GROUP BY day, outcome
ORDER BY day, outcome

-- types --
SELECT
    coalesce(h.type, 'unknown') AS type,
    count(*) AS imports,
    coalesce(sum(h.completed_records), 0)::bigint AS completed,
    coalesce(sum(h.failed_records), 0)::bigint AS failed
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
GROUP BY 1
ORDER BY 1

-- durations --
SELECT
    b.number,
    b.label AS records,
    count(*) AS imports,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(EPOCH FROM h.duration)) AS median,
    max(extract(EPOCH FROM h.duration)) AS longest
FROM talkdesk.import_history AS h
INNER JOIN (
    VALUES
    (1, 'up to 10', 0, 10),
    (2, '11 to 100', 10, 100),
    (3, '101 to 300', 100, 300),
    (4, '301 to 1,000', 300, 1000),
    (5, 'over 1,000', 1000, 9223372036854775807)
) AS b (number, label, above, most) ON h.total_records > b.above AND h.total_records <= b.most
WHERE
    h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
    AND h.duration IS NOT NULL
GROUP BY b.number, b.label
ORDER BY b.number

-- people --
SELECT
    coalesce(h.created_by_name, h.created_by, 'unknown') AS who,
    count(*) AS imports,
    coalesce(sum(h.total_records), 0)::bigint AS records,
    coalesce(sum(h.failed_records), 0)::bigint AS failed
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
GROUP BY 1
ORDER BY imports DESC, who
LIMIT 15

-- errors --
-- What fails most. A message may quote a cell: what is in quotes, addresses and numbers are left out of it, and all of
-- it where a cell of its own record is still in it.
WITH said AS (
    SELECT
        e.import_id,
        e.account,
        e.filename,
        e.created_at,
        coalesce(e.code, '') AS code,
        CASE WHEN e.data ? e.field OR e.field = ANY(i.record_columns) THEN e.field END AS field,
        regexp_replace(
            coalesce(e.message, e.description, ''),
            '("[^"]*"|''[^'']*''|`[^`]*`|«[^»]*»|“[^”]*”|[^[:space:]]*@[^[:space:]]*|[^[:space:]]*[0-9][^[:space:]]*)',
            '…', 'g'
        ) AS message,
        e.data
    FROM talkdesk.import_errors AS e
    INNER JOIN talkdesk.imports AS i ON i.account = e.account AND i.import_id = e.import_id
    WHERE e.account = ANY(CAST(:accounts AS text [])) AND e.created_at >= :since AND e.created_at < :until
),

masked AS (
    SELECT
        s.account,
        s.import_id,
        s.filename,
        s.created_at,
        s.code,
        s.field,
        CASE
            WHEN EXISTS (
                SELECT 1 FROM jsonb_each_text(coalesce(s.data, '{}')) AS c (name, value)
                WHERE length(c.value) > 2 AND strpos(lower(s.message), lower(c.value)) > 0
            ) THEN '…'
            ELSE left(s.message, 200)
        END AS message
    FROM said AS s
)

SELECT
    m.code,
    m.message,
    m.field,
    count(*) AS errors,
    count(DISTINCT (m.account, m.import_id)) AS imports,
    (array_agg(DISTINCT m.filename))[1:3] AS files
FROM masked AS m
GROUP BY m.code, m.message, m.field
ORDER BY errors DESC, m.code, m.message, m.field
LIMIT 30

-- newest --
SELECT
    h.account, h.import_id, h.filename, h.type, h.status, h.total_records, h.failed_records, h.created_at,
    coalesce(h.created_by_name, h.created_by) AS who, h.duration, h.is_terminal, h.is_expired,
    (
        SELECT string_agg(DISTINCT w.code, ', ')
        FROM (
            SELECT e.code FROM talkdesk.import_record_errors AS e
            WHERE e.account = h.account AND e.import_id = h.import_id AND e.code IS NOT NULL
            LIMIT 100
        ) AS w
    ) AS codes
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
ORDER BY h.created_at DESC, h.account, h.import_id
LIMIT :most

-- imports_in_all --
SELECT count(*) AS imports
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until

-- changed_options --
-- An option is new if it was not there when its account's options were first read.
WITH begun AS (
    SELECT e.account, min(e.valid_from) AS at FROM talkdesk.case_field_entries_versions AS e
    WHERE e.account = ANY(CAST(:accounts AS text []))
    GROUP BY e.account
),

found AS (
    SELECT
        v.account, v.field_key, v.path, v.valid_from AS at, p.label AS was, v.label AS is_now,
        CASE WHEN p.entry_id IS NULL THEN 'added' ELSE 'renamed' END AS what
    FROM talkdesk.case_field_entries_versions AS v
    INNER JOIN begun AS b ON b.account = v.account AND v.valid_from > b.at
    LEFT JOIN talkdesk.case_field_entries_versions AS p
        ON
            p.account = v.account AND p.field_key = v.field_key AND p.entry_id = v.entry_id
            AND p.valid_to = v.valid_from
    WHERE
        v.valid_from >= :since AND v.valid_from < :until
        AND (p.entry_id IS NULL OR p.label IS DISTINCT FROM v.label)
    UNION ALL
    SELECT e.account, e.field_key, e.path, e.removed_at, e.label, NULL, 'removed'
    FROM talkdesk.case_field_entries AS e
    WHERE
        e.account = ANY(CAST(:accounts AS text []))
        AND e.removed_at >= :since AND e.removed_at < :until
)

SELECT f.account, c.name AS field, f.field_key, f.path, f.at, f.what, f.was, f.is_now
FROM found AS f
LEFT JOIN talkdesk.case_fields AS c ON c.account = f.account AND c.field_key = f.field_key
ORDER BY f.at DESC, f.account, f.field_key, f.path
LIMIT 200

-- fields --
SELECT
    c.account, c.field_key, c.name, c.active, c.required,
    (
        SELECT count(*) FROM talkdesk.case_field_entries AS e
        WHERE e.account = c.account AND e.field_key = c.field_key AND e.removed_at IS NULL
    ) AS options
FROM talkdesk.case_fields AS c
WHERE
    c.account = ANY(CAST(:accounts AS text [])) AND c.removed_at IS NULL
    AND (CAST(:field AS text) IS NULL OR c.field_key = :field)
ORDER BY c.account, c.name, c.field_key

-- options --
SELECT e.entry_id, e.parent_id, e.key, e.label
FROM talkdesk.case_field_entries AS e
WHERE e.account = :account AND e.field_key = :field AND e.removed_at IS NULL
ORDER BY e.depth, e.position
