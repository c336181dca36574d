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
        WHEN h.status IN ('QUEUED', 'IN_PROGRESS') THEN 'under way'
        ELSE 'other'
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
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(EPOCH FROM h.duration)) AS slow,
    max(extract(EPOCH FROM h.duration)) AS longest
FROM talkdesk.import_history AS h
INNER JOIN (
    VALUES
    (0, 'none', -9223372036854775808, 0),
    (1, '1 to 10', 0, 10),
    (2, '11 to 100', 10, 100),
    (3, '101 to 300', 100, 300),
    (4, '301 to 1,000', 300, 1000),
    (5, 'over 1,000', 1000, 9223372036854775807)
) AS b (number, label, above, most) ON coalesce(h.total_records, 0) > b.above AND coalesce(h.total_records, 0) <= b.most
WHERE
    h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
    AND h.duration IS NOT NULL
GROUP BY b.number, b.label
ORDER BY b.number

-- people --
-- Two of one name are two.
SELECT
    h.account,
    coalesce(h.created_by_name, h.created_by, 'unknown') AS who,
    count(*) AS imports,
    coalesce(sum(h.total_records), 0)::bigint AS records,
    coalesce(sum(h.failed_records), 0)::bigint AS failed,
    count(*) OVER () AS people
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
GROUP BY h.account, h.created_by, h.created_by_name
ORDER BY imports DESC, who, h.account, h.created_by
LIMIT :most

-- errors --
-- By import and by what they say.
SELECT
    e.account,
    e.import_id,
    e.filename,
    e.code,
    e.field,
    coalesce(e.message, e.description) AS message,
    count(*) AS errors
FROM talkdesk.import_errors AS e
WHERE e.account = ANY(CAST(:accounts AS text [])) AND e.created_at >= :since AND e.created_at < :until
GROUP BY e.account, e.import_id, e.filename, e.code, e.field, coalesce(e.message, e.description)

-- samples --
-- The cells of a few records for all that errors say, which may quote them.
WITH numbered AS (
    SELECT
        e.account,
        e.import_id,
        e.record_key,
        e.code,
        e.field,
        coalesce(e.message, e.description) AS message,
        row_number() OVER (PARTITION BY e.code, e.field, coalesce(e.message, e.description)) AS nth
    FROM talkdesk.import_errors AS e
    WHERE e.account = ANY(CAST(:accounts AS text [])) AND e.created_at >= :since AND e.created_at < :until
)

SELECT n.code, n.field, n.message, r.data::text AS data
FROM numbered AS n
INNER JOIN talkdesk.import_records AS r
    ON r.account = n.account AND r.import_id = n.import_id AND r.record_key = n.record_key
WHERE n.nth <= :of_each
ORDER BY n.nth
LIMIT :most

-- newest --
SELECT
    h.account, h.import_id, h.filename, h.type, h.status, h.total_records, h.failed_records, h.created_at,
    coalesce(h.created_by_name, h.created_by) AS who, h.duration, h.is_terminal, h.is_expired,
    h.records_missing
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until
ORDER BY h.created_at DESC, h.account, h.import_id
LIMIT :most

-- imports_in_all --
SELECT count(*) AS imports
FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at >= :since AND h.created_at < :until

-- undated --
-- Imports of which the source does not say when they were submitted: they lie in no period.
SELECT count(*) AS imports FROM talkdesk.import_history AS h
WHERE h.account = ANY(CAST(:accounts AS text [])) AND h.created_at IS NULL

-- option_changes --
-- What happened to options in the period; what came with the first reading of its field is no change. An option that
-- has gone and come back begins anew.
WITH versions AS (
    SELECT
        v.account, v.field_key, v.entry_id, v.key, v.label, v.valid_from, v.valid_to,
        lag(v.label) OVER of_entry AS label_before,
        lag(v.valid_to) OVER of_entry AS ended_before,
        lead(v.valid_from) OVER of_entry AS begins_after
    FROM talkdesk.case_field_entries_versions AS v
    WHERE
        v.account = ANY(CAST(:accounts AS text [])) AND (CAST(:field AS text) IS NULL OR v.field_key = :field)
    WINDOW of_entry AS (PARTITION BY v.account, v.field_key, v.entry_id ORDER BY v.valid_from)
),

changes AS (
    SELECT
        account, field_key, entry_id, key, valid_from AS changed_at,
        CASE WHEN ended_before = valid_from THEN 'renamed' ELSE 'added' END AS kind,
        CASE WHEN ended_before = valid_from THEN label_before END AS was,
        label AS is_now
    FROM versions
    WHERE
        valid_from >= :since AND valid_from < :until
        AND (ended_before IS DISTINCT FROM valid_from OR label IS DISTINCT FROM label_before)
    UNION ALL
    SELECT account, field_key, entry_id, key, valid_to, 'removed', label, NULL
    FROM versions
    WHERE valid_to >= :since AND valid_to < :until AND begins_after IS DISTINCT FROM valid_to
),

first_read AS (
    SELECT account, field_key, min(valid_from) AS first_at
    FROM talkdesk.case_field_entries_versions
    WHERE account = ANY(CAST(:accounts AS text []))
    GROUP BY account, field_key
)

SELECT
    c.account, c.field_key, f.name AS field_name, c.kind, c.key, c.was, c.is_now, c.changed_at,
    (
        SELECT string_agg(coalesce(step.label, step.key), ' > ' ORDER BY step.depth)
        FROM unnest(e.labels, e.path) WITH ORDINALITY AS step (label, key, depth)
        WHERE step.depth < cardinality(e.path)
    ) AS within
FROM changes AS c
INNER JOIN first_read AS r ON r.account = c.account AND r.field_key = c.field_key
LEFT JOIN talkdesk.case_fields AS f ON f.account = c.account AND f.field_key = c.field_key
LEFT JOIN talkdesk.case_field_entries AS e
    ON e.account = c.account AND e.field_key = c.field_key AND e.entry_id = c.entry_id
WHERE c.kind <> 'added' OR c.changed_at > r.first_at
ORDER BY c.changed_at DESC, c.account, c.field_key, c.kind, e.path

-- field_changes --
-- The same of the fields themselves.
WITH versions AS (
    SELECT
        v.account, v.field_key, v.name, v.active, v.valid_from, v.valid_to,
        lag(v.name) OVER of_field AS name_before,
        lag(v.active) OVER of_field AS active_before,
        lag(v.valid_to) OVER of_field AS ended_before,
        lead(v.valid_from) OVER of_field AS begins_after
    FROM talkdesk.case_fields_versions AS v
    WHERE
        v.account = ANY(CAST(:accounts AS text [])) AND (CAST(:field AS text) IS NULL OR v.field_key = :field)
    WINDOW of_field AS (PARTITION BY v.account, v.field_key ORDER BY v.valid_from)
),

first_read AS (
    SELECT account, min(valid_from) AS first_at
    FROM talkdesk.case_fields_versions
    WHERE account = ANY(CAST(:accounts AS text []))
    GROUP BY account
)

SELECT v.account, v.field_key, 'renamed' AS kind, v.name_before AS was, v.name AS is_now, v.valid_from AS changed_at
FROM versions AS v
WHERE
    v.valid_from >= :since AND v.valid_from < :until
    AND v.ended_before = v.valid_from AND v.name IS DISTINCT FROM v.name_before
UNION ALL
SELECT
    v.account, v.field_key, CASE WHEN v.active THEN 'activated' ELSE 'deactivated' END, NULL, v.name, v.valid_from
FROM versions AS v
WHERE
    v.valid_from >= :since AND v.valid_from < :until
    AND v.ended_before = v.valid_from AND v.active IS DISTINCT FROM v.active_before
UNION ALL
SELECT v.account, v.field_key, 'added', NULL, v.name, v.valid_from
FROM versions AS v
INNER JOIN first_read AS r ON r.account = v.account
WHERE
    v.valid_from >= :since AND v.valid_from < :until
    AND v.ended_before IS DISTINCT FROM v.valid_from AND v.valid_from > r.first_at
UNION ALL
SELECT v.account, v.field_key, 'removed', v.name, NULL, v.valid_to
FROM versions AS v
WHERE v.valid_to >= :since AND v.valid_to < :until AND v.begins_after IS DISTINCT FROM v.valid_to
ORDER BY changed_at DESC, account ASC, field_key ASC, kind ASC

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
-- The upper levels first, so that a part of a tree hangs together.
SELECT e.entry_id, e.parent_id, e.key, e.label, coalesce(e.extra -> 'active' = 'false', false) AS is_inactive
FROM talkdesk.case_field_paths AS e
WHERE e.account = :account AND e.field_key = :field
ORDER BY e.depth, e.position, e.entry_id
LIMIT :most
