-- What asks the ledger says NOT MATERIALIZED: where the warehouse is distributed, the word NOT is left out, so that it is
-- computed on the coordinator, which alone has a ledger (etl/warehouse/distributing.py).
CREATE OR REPLACE VIEW talkdesk.sync_health AS
WITH synced AS NOT MATERIALIZED (
    SELECT s.account FROM talkdesk.synced_accounts() AS s (account)
),

accounts AS NOT MATERIALIZED (
    SELECT account FROM synced
    UNION
    SELECT account FROM talkdesk.imports
    UNION
    SELECT account FROM talkdesk.case_fields
    UNION
    SELECT account FROM talkdesk.users
),

reads AS NOT MATERIALIZED (
    SELECT a.account, n.resource, n.started_at, n.last_success_at
    FROM accounts AS a
    CROSS JOIN LATERAL talkdesk.newest_reads(a.account, talkdesk.resources_of(a.account)) AS n
),

-- An item that the newest complete read did not meet again is gone; records are not all read again in every run.
standing AS (
    SELECT d.account, d.resource, d.started_at, d.last_success_at, count(j.item_id) AS rejected
    FROM reads AS d
    LEFT JOIN talkdesk.rejected_items AS j
        ON
            j.account = d.account
            AND j.resource = d.resource
            AND (d.resource = 'import_records' OR d.started_at IS NULL OR j.last_seen_at >= d.started_at)
    GROUP BY d.account, d.resource, d.started_at, d.last_success_at
),

live AS (
    SELECT account, 'imports' AS resource, count(*) AS rows FROM talkdesk.imports GROUP BY account
    UNION ALL
    SELECT account, 'import_records', sum(records_loaded)::bigint FROM talkdesk.imports GROUP BY account
    UNION ALL
    SELECT account, 'case_fields', count(*) FROM talkdesk.case_fields WHERE removed_at IS NULL GROUP BY account
    UNION ALL
    SELECT account, 'case_field_entries', count(*)
    FROM talkdesk.case_field_entries WHERE removed_at IS NULL GROUP BY account
    UNION ALL
    SELECT account, 'users', count(*) FROM talkdesk.users WHERE removed_at IS NULL GROUP BY account
),

-- The older instant counts, because the source's retention is not said to begin at submission.
unloaded AS (
    SELECT account, min(least(created_at, first_seen_at)) AS oldest
    FROM talkdesk.imports
    WHERE expired_at IS NULL AND records_loaded_at IS NULL
    GROUP BY account
),

-- Hours, not days: the length of a day would depend on the session's time zone.
retention AS NOT MATERIALIZED (
    SELECT a.account, coalesce((r.options ->> 'retention_days')::double precision, 20) * interval '24 hours' AS period
    FROM accounts AS a
    LEFT JOIN LATERAL (
        SELECT n.options
        FROM talkdesk.sync_runs AS n
        WHERE n.account = a.account
        ORDER BY n.started_at DESC, n.run_id DESC
        LIMIT 1
    ) AS r ON true
)

SELECT
    t.account,
    t.resource,
    t.last_success_at,
    now() - t.last_success_at AS age,
    coalesce(n.rows, 0) AS rows,
    t.rejected,
    -- least() passes over NULL.
    CASE
        WHEN t.resource IN ('imports', 'import_records') THEN round(
            extract(
                EPOCH FROM least(
                    max(t.started_at) FILTER (WHERE t.resource = 'imports') OVER (PARTITION BY t.account),
                    CASE WHEN t.resource = 'import_records' THEN u.oldest END
                )
                + p.period - now()
            ) / 3600,
            2
        )
    END AS hours_until_loss
FROM standing AS t
LEFT JOIN live AS n ON n.account = t.account AND n.resource = t.resource
LEFT JOIN unloaded AS u ON u.account = t.account
LEFT JOIN retention AS p ON p.account = t.account;
