-- The newest run of each account. One that says it is running, and whose session holds no lock, has died; on a standby
-- the locks of the primary are not seen.
SELECT
    r.account,
    r.run_id,
    r.started_at,
    r.finished_at,
    r.error,
    CASE
        WHEN r.outcome = 'running' AND NOT pg_is_in_recovery() AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks AS locks
            WHERE
                locks.locktype = 'advisory'
                AND locks.granted
                AND locks.objsubid = 1
                AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                AND (locks.classid::bigint << 32) | locks.objid::bigint
                = hashtextextended('talkdesk-etl ' || r.account, 0)
        ) THEN 'died'
        ELSE r.outcome
    END AS outcome
FROM unnest(CAST(:accounts AS text[])) AS a (account)
CROSS JOIN LATERAL (
    SELECT n.account, n.run_id, n.started_at, n.finished_at, n.error, n.outcome
    FROM talkdesk.sync_runs AS n
    WHERE n.account = a.account
    ORDER BY n.started_at DESC, n.run_id DESC
    LIMIT 1
) AS r
