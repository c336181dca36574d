-- One person gone, and cells that have become too old.

-- erased_records --
-- Of these imports the records that were erased; of one whose records have aged, all (NULL).
SELECT r.import_id, r.record_key
FROM talkdesk.import_records AS r
WHERE r.account = :account AND r.import_id = ANY(CAST(:ids AS text [])) AND r.erased_at IS NOT NULL
UNION ALL
SELECT i.import_id, NULL
FROM talkdesk.imports AS i
WHERE i.account = :account AND i.import_id = ANY(CAST(:ids AS text [])) AND i.records_aged_at IS NOT NULL

-- erased_users --
-- The users who were erased.
SELECT u.user_id FROM talkdesk.users AS u WHERE u.account = :account AND u.erased_at IS NOT NULL

-- cells --
-- The cells of a column, whatever its case, in all records that have any; twins of a name stay under `data`.
SELECT r.import_id, r.record_key, c.value AS cell
FROM talkdesk.import_records AS r
CROSS JOIN LATERAL jsonb_each_text(r.data) AS c (name, value)
WHERE r.account = :account AND r.erased_at IS NULL AND lower(c.name) = lower(:column)
UNION ALL
SELECT r.import_id, r.record_key, c.value
FROM talkdesk.import_records AS r
CROSS JOIN LATERAL jsonb_each_text(r.data -> 'data') AS c (name, value)
WHERE
    r.account = :account AND r.erased_at IS NULL AND jsonb_typeof(r.data -> 'data') = 'object'
    AND lower(c.name) = lower(:column)

-- texts_of_errors --
-- What all errors say.
SELECT
    e.import_id,
    e.record_key,
    e.error_no,
    e.code,
    e.field,
    concat_ws(E'\n', e.message, e.description, e.field_description, nullif(e.extra, '{}')) AS texts
FROM talkdesk.import_record_errors AS e
WHERE e.account = :account

-- rejected --
-- All items that could not be loaded.
SELECT j.item_id, j.item FROM talkdesk.rejected_items AS j WHERE j.account = :account

-- users --
-- Every name and address that a user has ever had.
SELECT v.user_id, v.name, v.email FROM talkdesk.users_versions AS v WHERE v.account = :account
UNION
SELECT u.user_id, u.name, u.email FROM talkdesk.users AS u WHERE u.account = :account

-- erase_records --
-- These records keep their row and lose their cells.
UPDATE talkdesk.import_records AS r
SET data = '{}', erased_at = now(), last_changed_at = now()
FROM ROWS FROM (
    unnest(CAST(:import_ids AS text [])), unnest(CAST(:record_keys AS text []))
) AS gone (import_id, record_key)
WHERE r.account = :account AND r.import_id = gone.import_id AND r.record_key = gone.record_key

-- erase_errors --
-- These errors lose their texts, and their code or column where that quotes the person.
UPDATE talkdesk.import_record_errors AS e
SET
    message = NULL,
    description = NULL,
    field_description = NULL,
    extra = '{}',
    code = CASE WHEN gone.with_code THEN NULL ELSE e.code END,
    field = CASE WHEN gone.with_field THEN NULL ELSE e.field END
FROM ROWS FROM (
    unnest(CAST(:import_ids AS text [])),
    unnest(CAST(:record_keys AS text [])),
    unnest(CAST(:numbers AS integer [])),
    unnest(CAST(:with_code AS boolean [])),
    unnest(CAST(:with_field AS boolean []))
) AS gone (import_id, record_key, error_no, with_code, with_field)
WHERE
    e.account = :account AND e.import_id = gone.import_id AND e.record_key = gone.record_key
    AND e.error_no = gone.error_no

-- erase_rejected --
-- These items go.
DELETE FROM talkdesk.rejected_items
WHERE account = :account AND item_id = ANY(CAST(:ids AS text []))

-- erase_users --
-- These users keep their row and lose what tells who they are.
UPDATE talkdesk.users
SET
    name = NULL, email = NULL, gender = NULL, extension = NULL, external_phone_number = NULL, extra = '{}',
    erased_at = now(), last_changed_at = now()
WHERE account = :account AND user_id = ANY(CAST(:ids AS text []))

-- erase_users_versions --
-- And lost it in all the time before.
UPDATE talkdesk.users_versions
SET name = NULL, email = NULL, gender = NULL, extension = NULL, external_phone_number = NULL, extra = '{}'
WHERE account = :account AND user_id = ANY(CAST(:ids AS text []))

-- note_erasure --
-- Who erased how much, and when; never what.
INSERT INTO talkdesk.erasures (account, column_name, records, errors, rejected, users, erased_by)
VALUES (:account, :column, :records, :errors, :rejected, :users, current_user)

-- still_at_source --
-- Those of the imports that the source has not forgotten.
SELECT i.import_id
FROM talkdesk.imports AS i
WHERE i.account = :account AND i.import_id = ANY(CAST(:ids AS text [])) AND i.expired_at IS NULL
ORDER BY 1

-- aged_imports --
-- Imports older than that whose records still have their cells, the oldest first.
SELECT i.import_id
FROM talkdesk.imports AS i
WHERE
    i.account = :account AND i.records_loaded > 0 AND i.records_aged_at IS NULL
    AND coalesce(i.created_at, i.first_seen_at) < now() - CAST(:keep AS interval)
ORDER BY i.created_at, i.import_id
LIMIT :number

-- age_records --
-- The records of these imports keep their rows and lose their cells.
UPDATE talkdesk.import_records
SET data = '{}', erased_at = now(), last_changed_at = now()
WHERE account = :account AND import_id = ANY(CAST(:ids AS text [])) AND erased_at IS NULL

-- age_errors --
-- Their errors lose their texts.
UPDATE talkdesk.import_record_errors
SET message = NULL, description = NULL, field_description = NULL, extra = '{}'
WHERE
    account = :account AND import_id = ANY(CAST(:ids AS text []))
    AND (message IS NOT NULL OR description IS NOT NULL OR field_description IS NOT NULL OR extra <> '{}')

-- note_aged --
-- What is read of them again is kept without its cells, too.
UPDATE talkdesk.imports
SET records_aged_at = now()
WHERE account = :account AND import_id = ANY(CAST(:ids AS text []))
