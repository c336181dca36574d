SELECT
    created_at,
    type,
    status,
    total_records,
    failed_records,
    duration,
    count(*) OVER () AS known,
    count(*) FILTER (WHERE is_expired) OVER () AS expired
FROM talkdesk.import_history
WHERE account = :account
ORDER BY created_at DESC
LIMIT 8
