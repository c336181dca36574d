-- The names of columns in some records of the newest imports.
SELECT DISTINCT jsonb_object_keys(r.data) AS name
FROM (
    SELECT i.account, i.import_id
    FROM talkdesk.imports AS i
    WHERE i.account = :account AND i.records_loaded > 0
    ORDER BY i.created_at DESC NULLS LAST
    LIMIT 50
) AS newest
CROSS JOIN LATERAL (
    SELECT s.data
    FROM talkdesk.import_records AS s
    WHERE s.account = newest.account AND s.import_id = newest.import_id AND jsonb_typeof(s.data) = 'object'
    LIMIT 20
) AS r
ORDER BY name
LIMIT 200
