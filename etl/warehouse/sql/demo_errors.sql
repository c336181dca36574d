-- The newest import whose records failed for several reasons, or the nearest to it.
WITH chosen AS (
    SELECT import_id
    FROM talkdesk.import_errors
    WHERE account = :account
    GROUP BY import_id
    ORDER BY least(count(DISTINCT message), 3) DESC, max(created_at) DESC
    LIMIT 1
)

SELECT
    e.filename,
    e.line,
    coalesce(e.data ->> 'Email', e.data ->> 'Current Email') AS person,
    e.field,
    e.message
FROM talkdesk.import_errors AS e
INNER JOIN chosen AS c ON c.import_id = e.import_id
WHERE e.account = :account
ORDER BY e.position, e.error_no
LIMIT 8
