-- The names of all cells of an import's records.
SELECT DISTINCT c.name
FROM talkdesk.import_records AS r
CROSS JOIN LATERAL jsonb_object_keys(r.data) AS c (name)
WHERE r.account = :account AND r.import_id = :import_id
ORDER BY 1
