-- The imports of that id, else the newest of that file name in each account; of one account (in the settings their names
-- are in small letters) or of all.
WITH named AS (
    SELECT
        i.*,
        i.import_id = :name AS is_id,
        row_number() OVER (
            PARTITION BY i.account, i.import_id = :name
            ORDER BY i.created_at DESC NULLS LAST, i.first_seen_at DESC, i.import_id
        ) AS nth
    FROM talkdesk.imports AS i
    WHERE
        (i.import_id = :name OR i.filename = :name)
        AND (CAST(:account AS text) IS NULL OR i.account IN (:account, lower(:account)))
)

SELECT
    account, import_id, filename, created_at, failed_records, records_loaded, records_loaded_at, record_columns,
    records_privacy, records_source,
    (
        SELECT count(*) FROM talkdesk.import_records AS r
        WHERE r.account = named.account AND r.import_id = named.import_id AND r.erased_at IS NOT NULL
    ) AS erased
FROM named
WHERE is_id OR (nth = 1 AND NOT EXISTS (SELECT 1 FROM named AS n WHERE n.is_id))
ORDER BY account
