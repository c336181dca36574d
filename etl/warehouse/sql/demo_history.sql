SELECT
    created_at,
    created_by_name,
    type,
    status,
    total_records,
    failed_records,
    count(*) OVER () AS known,
    count(*) FILTER (WHERE is_expired) OVER () AS expired
FROM talkdesk.import_history
WHERE account = :account
ORDER BY created_at DESC
LIMIT 8
