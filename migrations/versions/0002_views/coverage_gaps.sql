CREATE VIEW talkdesk.coverage_gaps AS
WITH retention AS (
    -- Hours, not days: the length of a day would depend on the session's time zone.
    SELECT DISTINCT ON (account)
        account, coalesce((options ->> 'retention_days')::double precision, 20) * interval '24 hours' AS period
    FROM talkdesk.sync_runs
    ORDER BY account, started_at DESC, run_id DESC
),

listings AS (
    SELECT
        r.account,
        r.run_id,
        r.started_at,
        -- The run after a dead one closed it, perhaps weeks later; its listing was read at its beginning.
        CASE
            WHEN r.outcome IN ('running', 'died') THEN r.started_at + make_interval(secs => s.seconds)
            ELSE coalesce(r.finished_at, r.started_at)
        END AS ended_at
    FROM talkdesk.sync_runs AS r
    INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
    WHERE s.resource = 'imports' AND s.complete AND r.window_from IS NULL AND r.window_to IS NULL
),

-- The newest listing is followed by one that would end now.
pairs AS (
    SELECT
        account,
        started_at,
        coalesce(lead(ended_at) OVER (PARTITION BY account ORDER BY started_at, run_id), now()) AS next_ended_at
    FROM listings
)

SELECT p.account, p.started_at AS gap_from, p.next_ended_at - k.period AS gap_to
FROM pairs AS p
INNER JOIN retention AS k ON k.account = p.account
WHERE p.next_ended_at - k.period > p.started_at;

COMMENT ON VIEW talkdesk.coverage_gaps IS
'When an import may have come and gone unseen: more than the source''s retention lay between two complete listings, or lies between the newest one and now. On the safe side: an import counts as seen only if submitted before a listing began, as kept only until the retention after its submission, and the listing after as late as its run''s end; so a gap may be shown where nothing was lost, never the other way round. What came before the first sync is not shown.';

COMMENT ON COLUMN talkdesk.coverage_gaps.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.coverage_gaps.gap_from IS
'Imports submitted from this instant on may be missing: start of the last complete listing before the gap.';

COMMENT ON COLUMN talkdesk.coverage_gaps.gap_to IS
'Imports submitted up to this instant may be missing: end of the next complete listing, or now, less the retention.';
