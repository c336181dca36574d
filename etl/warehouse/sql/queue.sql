-- The queue of the workers: syncs that wait, are under way, or failed in the last day, and the age of the longest wait.
SELECT
    count(*) FILTER (WHERE j.status = 'todo') AS waiting,
    count(*) FILTER (WHERE j.status = 'doing') AS doing,
    count(*) FILTER (WHERE j.status = 'failed') AS failed,
    extract(EPOCH FROM now() - min(e.at) FILTER (WHERE j.status = 'todo')) AS oldest_seconds
FROM procrastinate.procrastinate_jobs AS j
LEFT JOIN procrastinate.procrastinate_events AS e ON e.job_id = j.id AND e.type = 'deferred'
WHERE j.queue_name = 'accounts'
