-- Complete listings older than :keep, from the last folded one on: those are kept after which a day or more passed until
-- the end of the next (no retention is shorter), and the last of them, whose successor is not old yet.
WITH listings AS (
    SELECT
        r.run_id,
        r.started_at,
        CASE
            WHEN r.outcome IN ('running', 'died') THEN r.started_at + make_interval(secs => s.seconds)
            ELSE coalesce(r.finished_at, r.started_at)
        END AS ended_at
    FROM talkdesk.sync_runs AS r
    INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
    WHERE
        r.account = :account
        AND r.started_at < now() - CAST(:keep AS interval)
        AND r.window_from IS NULL
        AND r.window_to IS NULL
        AND s.resource = 'imports'
        AND s.complete
        AND NOT EXISTS (
            SELECT FROM talkdesk.coverage_folded AS f
            WHERE
                f.account = r.account
                AND f.next_listed_at IS NULL
                AND (f.listed_at, f.run_id) > (r.started_at, r.run_id)
        )
),

pairs AS (
    SELECT run_id, started_at, lead(ended_at) OVER (ORDER BY started_at, run_id) AS next_ended_at
    FROM listings
)

INSERT INTO talkdesk.coverage_folded AS f (account, listed_at, run_id, next_listed_at)
SELECT :account, p.started_at, p.run_id, p.next_ended_at
FROM pairs AS p
LEFT JOIN talkdesk.coverage_folded AS k
    ON k.account = :account AND k.listed_at = p.started_at AND k.run_id = p.run_id
WHERE
    (p.next_ended_at IS NULL AND k.run_id IS NULL)
    OR p.next_ended_at - p.started_at >= interval '24 hours'
ON CONFLICT (account, listed_at, run_id) DO UPDATE SET next_listed_at = excluded.next_listed_at
