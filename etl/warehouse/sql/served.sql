-- By which process of the server this session is served, since when, and what time it is there.
SELECT
    pid,
    extract(EPOCH FROM backend_start) AS began,
    extract(EPOCH FROM clock_timestamp()) AS now
FROM pg_catalog.pg_stat_activity
WHERE pid = pg_backend_pid()
