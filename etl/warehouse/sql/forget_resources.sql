-- What runs older than :keep have read is forgotten, but for the newest complete reads of each resource, and for the
-- listing that the folded ones end with.
WITH needed AS MATERIALIZED (
    SELECT n.resource, n.started_at, n.last_success_at
    FROM talkdesk.newest_reads(:account, CAST(:resources AS text[])) AS n
)

DELETE FROM talkdesk.sync_run_resources AS s
USING talkdesk.sync_runs AS r
WHERE
    r.account = :account
    AND r.started_at < now() - CAST(:keep AS interval)
    AND s.account = r.account
    AND s.run_id = r.run_id
    AND NOT EXISTS (
        SELECT FROM needed AS n
        WHERE
            n.resource = s.resource
            AND s.complete
            AND (n.started_at = r.started_at OR n.last_success_at = r.finished_at)
    )
    AND NOT EXISTS (
        SELECT FROM talkdesk.coverage_folded AS f
        WHERE
            f.account = r.account
            AND f.listed_at = r.started_at
            AND f.run_id = r.run_id
            AND f.next_listed_at IS NULL
            AND s.resource = 'imports'
    )
