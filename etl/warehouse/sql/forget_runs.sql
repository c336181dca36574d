-- Runs older than :keep of which nothing is left go, but for the newest of the account, which tells the retention.
DELETE FROM talkdesk.sync_runs AS r
WHERE
    r.account = :account
    AND r.started_at < now() - CAST(:keep AS interval)
    AND NOT EXISTS (
        SELECT FROM talkdesk.sync_run_resources AS s WHERE s.account = r.account AND s.run_id = r.run_id
    )
    AND EXISTS (
        SELECT FROM talkdesk.sync_runs AS n
        WHERE n.account = r.account AND (n.started_at, n.run_id) > (r.started_at, r.run_id)
    )
