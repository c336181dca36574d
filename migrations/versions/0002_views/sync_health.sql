CREATE VIEW talkdesk.sync_health AS
WITH accounts AS (
    SELECT account FROM talkdesk.sync_runs
    UNION
    SELECT account FROM talkdesk.imports
    UNION
    SELECT account FROM talkdesk.case_fields
),

-- Hours, not days: the length of a day would depend on the session's time zone.
retention AS (
    SELECT DISTINCT ON (account)
        account, coalesce((options ->> 'retention_days')::double precision, 20) * interval '24 hours' AS period
    FROM talkdesk.sync_runs
    ORDER BY account, started_at DESC, run_id DESC
),

complete_reads AS (
    SELECT
        r.account,
        s.resource,
        max(r.started_at) AS started_at,
        max(r.finished_at) FILTER (WHERE r.outcome IN ('succeeded', 'partial')) AS last_success_at
    FROM talkdesk.sync_runs AS r
    INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
    WHERE s.complete AND r.window_from IS NULL AND r.window_to IS NULL
    GROUP BY r.account, s.resource
),

live AS (
    SELECT account, 'imports' AS resource, count(*) AS rows FROM talkdesk.imports GROUP BY account
    UNION ALL
    SELECT account, 'import_records', count(*) FROM talkdesk.import_records GROUP BY account
    UNION ALL
    SELECT account, 'case_fields', count(*) FROM talkdesk.case_fields WHERE removed_at IS NULL GROUP BY account
    UNION ALL
    SELECT account, 'case_field_entries', count(*)
    FROM talkdesk.case_field_entries WHERE removed_at IS NULL GROUP BY account
),

-- An item that the newest complete read did not meet again is gone; records are not all read again in every run.
standing AS (
    SELECT j.account, j.resource, count(*) AS rejected
    FROM talkdesk.rejected_items AS j
    LEFT JOIN complete_reads AS c ON c.account = j.account AND c.resource = j.resource
    WHERE j.resource = 'import_records' OR c.started_at IS NULL OR j.last_seen_at >= c.started_at
    GROUP BY j.account, j.resource
),

-- The older instant counts, because the source's retention is not said to begin at submission.
unloaded AS (
    SELECT account, min(least(created_at, first_seen_at)) AS oldest
    FROM talkdesk.imports
    WHERE expired_at IS NULL AND records_loaded_at IS NULL
    GROUP BY account
)

SELECT
    a.account,
    k.resource,
    c.last_success_at,
    now() - c.last_success_at AS age,
    coalesce(n.rows, 0) AS rows,
    coalesce(j.rejected, 0) AS rejected,
    -- least() passes over NULL.
    CASE
        WHEN k.resource IN ('imports', 'import_records') THEN round(
            extract(
                EPOCH FROM least(listing.started_at, CASE WHEN k.resource = 'import_records' THEN u.oldest END)
                + coalesce(p.period, interval '480 hours') - now()
            ) / 3600,
            2
        )
    END AS hours_until_loss
FROM accounts AS a
CROSS JOIN (
    VALUES ('imports'), ('import_records'), ('case_fields'), ('case_field_entries')
) AS k (resource)
LEFT JOIN retention AS p ON p.account = a.account
LEFT JOIN complete_reads AS c ON c.account = a.account AND c.resource = k.resource
LEFT JOIN complete_reads AS listing ON listing.account = a.account AND listing.resource = 'imports'
LEFT JOIN live AS n ON n.account = a.account AND n.resource = k.resource
LEFT JOIN standing AS j ON j.account = a.account AND j.resource = k.resource
LEFT JOIN unloaded AS u ON u.account = a.account;

COMMENT ON VIEW talkdesk.sync_health IS
'How far each account''s copy can be trusted: one row per account and resource, also for what was never synced.';

COMMENT ON COLUMN talkdesk.sync_health.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.sync_health.resource IS 'imports, import_records, case_fields or case_field_entries.';

COMMENT ON COLUMN talkdesk.sync_health.last_success_at IS
'End of the newest succeeded or partial run that read the whole resource; backfills do not count. NULL = never.';

COMMENT ON COLUMN talkdesk.sync_health.age IS 'Time since last_success_at.';

COMMENT ON COLUMN talkdesk.sync_health.rows IS
'Rows in the table: of imports with the expired ones, of case fields and entries without the removed ones.';

COMMENT ON COLUMN talkdesk.sync_health.rejected IS
'Items that could not be loaded and stood in the newest complete read; of records, all that are kept.';

COMMENT ON COLUMN talkdesk.sync_health.hours_until_loss IS
'Hours until the first import, or the first records, may be forgotten by the source before they are here; negative = may have happened. Counted from the earliest instant that the retention can begin. NULL for case fields and entries, which are not forgotten, and while there is nothing to count from.';
