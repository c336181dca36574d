-- What a run changed, told by the versions it wrote: a new one beside the one that it ended.
WITH run AS (
    SELECT account, started_at FROM talkdesk.sync_runs WHERE account = :account AND run_id = :run_id
),

changes AS (
    SELECT 1 AS place, v.filename AS what, p.status AS before, v.status AS after
    FROM run AS r
    INNER JOIN talkdesk.imports_versions AS v ON v.account = r.account AND v.valid_from >= r.started_at
    LEFT JOIN talkdesk.imports_versions AS p
        ON p.account = v.account AND p.import_id = v.import_id AND p.valid_to = v.valid_from
    UNION ALL
    SELECT 2, 'case field ' || v.field_key, p.name, v.name
    FROM run AS r
    INNER JOIN talkdesk.case_fields_versions AS v ON v.account = r.account AND v.valid_from >= r.started_at
    LEFT JOIN talkdesk.case_fields_versions AS p
        ON p.account = v.account AND p.field_key = v.field_key AND p.valid_to = v.valid_from
    UNION ALL
    SELECT 3, 'option ' || v.key || ' of ' || f.name, p.label, v.label
    FROM run AS r
    INNER JOIN talkdesk.case_field_entries_versions AS v ON v.account = r.account AND v.valid_from >= r.started_at
    INNER JOIN talkdesk.case_fields AS f ON f.account = v.account AND f.field_key = v.field_key
    LEFT JOIN talkdesk.case_field_entries_versions AS p
        ON p.account = v.account AND p.field_key = v.field_key AND p.entry_id = v.entry_id AND p.valid_to = v.valid_from
    UNION ALL
    SELECT 3, 'option ' || e.key || ' of ' || f.name, e.label, 'removed'
    FROM run AS r
    INNER JOIN talkdesk.case_field_entries AS e ON e.account = r.account AND e.removed_at >= r.started_at
    INNER JOIN talkdesk.case_fields AS f ON f.account = e.account AND f.field_key = e.field_key
    UNION ALL
    SELECT 4, i.filename, i.status, 'forgotten by the source'
    FROM run AS r
    INNER JOIN talkdesk.imports AS i ON i.account = r.account AND i.expired_at >= r.started_at
)

SELECT what, coalesce(before, 'new') AS before, after
FROM changes
WHERE before IS DISTINCT FROM after
ORDER BY place, changes.before NULLS FIRST, what
LIMIT 12
