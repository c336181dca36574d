-- The entries of the deepest tree, parents before their children.
WITH chosen AS (
    SELECT field_key
    FROM talkdesk.case_field_paths
    WHERE account = :account
    GROUP BY field_key
    ORDER BY max(depth) DESC, count(*) DESC, field_key
    LIMIT 1
)

SELECT p.field_name, p.field_key, p.entry_id, p.parent_id, p.key, p.label
FROM talkdesk.case_field_paths AS p
INNER JOIN chosen AS c ON c.field_key = p.field_key
WHERE p.account = :account
ORDER BY p.depth, p.position
