CREATE VIEW talkdesk.import_errors AS
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
    i.created_at
FROM talkdesk.import_record_errors AS e
LEFT JOIN talkdesk.import_records AS r
    ON r.account = e.account AND r.import_id = e.import_id AND r.record_key = e.record_key
LEFT JOIN talkdesk.imports AS i ON i.account = e.account AND i.import_id = e.import_id;

COMMENT ON VIEW talkdesk.import_errors IS
'Every error beside its record and its import. A record that failed without saying why has no row here. Personal data.';

COMMENT ON COLUMN talkdesk.import_errors.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.import_errors.import_id IS 'The import that the record belongs to.';

COMMENT ON COLUMN talkdesk.import_errors.record_key IS 'The record that the error belongs to.';

COMMENT ON COLUMN talkdesk.import_errors.error_no IS 'Number of the row among the record''s errors, from 0.';

COMMENT ON COLUMN talkdesk.import_errors.code IS 'Error code of the source.';

COMMENT ON COLUMN talkdesk.import_errors.message IS 'Message of the error.';

COMMENT ON COLUMN talkdesk.import_errors.description IS 'Longer text of the error.';

COMMENT ON COLUMN talkdesk.import_errors.field IS 'Name of the column that the error is about.';

COMMENT ON COLUMN talkdesk.import_errors.field_description IS 'What is wrong with that column.';

COMMENT ON COLUMN talkdesk.import_errors.extra IS 'What the source said of the error and no column took.';

COMMENT ON COLUMN talkdesk.import_errors.record_id IS 'Id of the record at the source.';

COMMENT ON COLUMN talkdesk.import_errors.line IS 'Line of the CSV file, as the source says.';

COMMENT ON COLUMN talkdesk.import_errors.position IS 'Order of the record''s arrival, from 0.';

COMMENT ON COLUMN talkdesk.import_errors.record_status IS 'Status of the record, in the source''s word.';

COMMENT ON COLUMN talkdesk.import_errors.data IS 'The cells of the record. Personal data.';

COMMENT ON COLUMN talkdesk.import_errors.filename IS 'Name of the submitted CSV file.';

COMMENT ON COLUMN talkdesk.import_errors.type IS 'Type of the import.';

COMMENT ON COLUMN talkdesk.import_errors.import_status IS 'Status of the import.';

COMMENT ON COLUMN talkdesk.import_errors.created_by IS 'Id of the user who submitted the import.';

COMMENT ON COLUMN talkdesk.import_errors.created_at IS 'Instant of the import''s submission.';
