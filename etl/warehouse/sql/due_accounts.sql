-- Those of the accounts whose newest run began longer ago, or died, or that have none, the stalest first. Whoever holds
-- an account's lock is at work on it; a run that says it is running without the lock has died.
SELECT a.account
FROM unnest(CAST(:accounts AS text[])) AS a (account)
LEFT JOIN LATERAL (
    SELECT n.started_at, n.outcome
    FROM talkdesk.sync_runs AS n
    WHERE n.account = a.account
    ORDER BY n.started_at DESC, n.run_id DESC
    LIMIT 1
) AS r ON TRUE
WHERE
    (r.started_at IS NULL OR r.outcome IN ('running', 'died') OR r.started_at <= now() - CAST(:age AS interval))
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_locks AS locks
        WHERE
            locks.locktype = 'advisory'
            AND locks.granted
            AND locks.objsubid = 1
            AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
            AND (locks.classid::bigint << 32) | locks.objid::bigint
            = hashtextextended('talkdesk-etl ' || a.account, 0)
    )
ORDER BY r.started_at NULLS FIRST, a.account
LIMIT :few
