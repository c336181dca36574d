-- How stored records compare with those of the source, which travel as JSON: nothing is written, no table made.

-- take_in --
-- Whether the database can take these rows in, which it says by an error.
SELECT CAST(:rows AS jsonb) IS NOT NULL

-- compare_records --
-- The records of one import that differ, or stand on one side only: which one, their key, position and columns.
SELECT
    coalesce(incoming.record_key, stored.record_key) AS record_key,
    stored.position,
    CASE
        WHEN stored.record_key IS NULL THEN 'missing'
        WHEN incoming.record_key IS NULL THEN 'extra'
    END AS one_sided,
    array_remove(ARRAY[
        CASE WHEN stored.record_id IS DISTINCT FROM incoming.record_id THEN 'record_id' END,
        CASE WHEN stored.line IS DISTINCT FROM incoming.line THEN 'line' END,
        CASE WHEN stored.position IS DISTINCT FROM incoming.position THEN 'position' END,
        CASE WHEN stored.status IS DISTINCT FROM incoming.status THEN 'status' END,
        CASE WHEN stored.data IS DISTINCT FROM incoming.data THEN 'data' END
    ], NULL) AS columns
FROM (SELECT * FROM talkdesk.import_records WHERE account = :account AND import_id = :import_id) AS stored
FULL JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS incoming (
    record_key text, record_id text, line bigint, position bigint, status text, data jsonb
) ON stored.record_key = incoming.record_key
WHERE
    (stored.record_key, stored.record_id, stored.line, stored.position, stored.status, stored.data)
    IS DISTINCT FROM
    (incoming.record_key, incoming.record_id, incoming.line, incoming.position, incoming.status, incoming.data)

-- compare_errors --
-- The records of one import whose errors differ.
SELECT DISTINCT coalesce(old.record_key, new.record_key) AS record_key
FROM (SELECT * FROM talkdesk.import_record_errors WHERE account = :account AND import_id = :import_id) AS old
FULL JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS new (
    record_key text, error_no integer, code text, message text, description text,
    field text, field_description text, extra jsonb
) ON old.record_key = new.record_key AND old.error_no = new.error_no
WHERE
    (old.record_key, old.code, old.message, old.description, old.field, old.field_description, old.extra)
    IS DISTINCT FROM
    (new.record_key, new.code, new.message, new.description, new.field, new.field_description, new.extra)
