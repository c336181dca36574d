CREATE OR REPLACE VIEW talkdesk.import_errors AS
SELECT
    e.account,
    e.import_id,
    e.record_key,
    e.error_no,
    e.code,
    e.message,
    e.description,
    e.field,
    e.field_description,
    e.extra,
    r.record_id,
    r.line,
    r.position,
    r.status AS record_status,
    r.data,
    i.filename,
    i.type,
    i.status AS import_status,
    i.created_by,
    i.created_at,
    creator.name AS created_by_name,
    updater.name AS updated_by_name,
    canceler.name AS canceled_by_name
FROM talkdesk.import_record_errors AS e
LEFT JOIN talkdesk.import_records AS r
    ON r.account = e.account AND r.import_id = e.import_id AND r.record_key = e.record_key
LEFT JOIN talkdesk.imports AS i ON i.account = e.account AND i.import_id = e.import_id
LEFT JOIN talkdesk.users AS creator ON creator.account = i.account AND creator.user_id = i.created_by
LEFT JOIN talkdesk.users AS updater ON updater.account = i.account AND updater.user_id = i.updated_by
LEFT JOIN talkdesk.users AS canceler ON canceler.account = i.account AND canceler.user_id = i.canceled_by;

COMMENT ON COLUMN talkdesk.import_errors.created_by_name IS
'Name of created_by as it is known now; NULL if it is not: users are read only where TALKDESK_USERS asks for them. Personal data.';

COMMENT ON COLUMN talkdesk.import_errors.updated_by_name IS 'Name of updated_by as it is known now; NULL if it is not. Personal data.';

COMMENT ON COLUMN talkdesk.import_errors.canceled_by_name IS 'Name of canceled_by as it is known now; NULL if it is not. Personal data.';
