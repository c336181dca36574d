-- What another role runs is NULL to us.
SELECT
    activity.application_name,
    activity.backend_start AT TIME ZONE 'UTC' AS since
FROM pg_catalog.pg_locks AS locks
INNER JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE
    locks.locktype = 'advisory'
    AND locks.granted
    AND locks.objsubid = 1
    AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND (locks.classid::bigint << 32) | locks.objid::bigint = hashtextextended(:lock, 0)
    AND activity.application_name IS NOT NULL
    AND activity.backend_start IS NOT NULL
