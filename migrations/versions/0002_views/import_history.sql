CREATE VIEW talkdesk.import_history AS
SELECT
    i.account,
    i.import_id,
    i.filename,
    i.type,
    i.status,
    i.total_records,
    i.completed_records,
    i.failed_records,
    i.created_by,
    i.created_at,
    i.updated_by,
    i.updated_at,
    i.canceled_by,
    i.canceled_at,
    i.extra,
    i.first_seen_at,
    i.last_changed_at,
    i.records_loaded_at,
    i.expired_at,
    CASE
        WHEN NOT i.is_terminal THEN NULL
        WHEN i.ended_at > coalesce(i.created_at, v.running_from) THEN i.ended_at - coalesce(i.created_at, v.running_from)
        WHEN v.terminal_from > v.running_from THEN v.terminal_from - v.running_from
    END AS duration,
    -- greatest() passes over NULL: a missing count is 0, and both missing give 0 of 0, which is NULL.
    trim_scale(
        greatest(i.completed_records, 0)::numeric
        / nullif(greatest(i.completed_records, 0)::numeric + greatest(i.failed_records, 0), 0)
    ) AS success_rate,
    coalesce(r.records_loaded, 0) AS records_loaded,
    CASE
        WHEN i.total_records > 0 THEN greatest(i.total_records - coalesce(r.records_loaded, 0), 0)
        WHEN i.total_records <= 0 THEN 0
    END AS records_missing,
    i.is_terminal,
    i.expired_at IS NOT NULL AS is_expired
FROM (
    SELECT
        imports.*,
        (status IN ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'SUCCESSFUL', 'CANCELED', 'FAILED')) IS TRUE AS is_terminal,
        coalesce(CASE WHEN status = 'CANCELED' THEN canceled_at END, updated_at) AS ended_at
    FROM talkdesk.imports
) AS i
LEFT JOIN (
    SELECT account, import_id, count(*) AS records_loaded
    FROM talkdesk.import_records
    GROUP BY account, import_id
) AS r ON r.account = i.account AND r.import_id = i.import_id
LEFT JOIN (
    SELECT
        account,
        import_id,
        min(valid_from) FILTER (WHERE NOT is_terminal) AS running_from,
        min(valid_from) FILTER (WHERE is_terminal) AS terminal_from
    FROM (
        SELECT
            account,
            import_id,
            valid_from,
            (status IN ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'SUCCESSFUL', 'CANCELED', 'FAILED')) IS TRUE AS is_terminal
        FROM talkdesk.imports_versions
    ) AS states
    GROUP BY account, import_id
) AS v ON v.account = i.account AND v.import_id = i.import_id;

COMMENT ON VIEW talkdesk.import_history IS
'One row per import: its columns, how long it ran, how much of it succeeded, and whether its records are all here.';

COMMENT ON COLUMN talkdesk.import_history.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.import_history.import_id IS 'Id of the bulk import at the source.';

COMMENT ON COLUMN talkdesk.import_history.filename IS 'Name of the submitted CSV file.';

COMMENT ON COLUMN talkdesk.import_history.type IS
'CREATE_USERS, UPDATE_USERS, DELETE_USERS, EXPORT_USERS, or a newer word of the source.';

COMMENT ON COLUMN talkdesk.import_history.status IS 'Status in the source''s word.';

COMMENT ON COLUMN talkdesk.import_history.total_records IS 'Lines of the file, as the source counts them.';

COMMENT ON COLUMN talkdesk.import_history.completed_records IS 'Records that succeeded so far.';

COMMENT ON COLUMN talkdesk.import_history.failed_records IS 'Records that failed so far.';

COMMENT ON COLUMN talkdesk.import_history.created_by IS 'Id of the user who submitted the import.';

COMMENT ON COLUMN talkdesk.import_history.created_at IS 'Instant of submission.';

COMMENT ON COLUMN talkdesk.import_history.updated_by IS 'Id of the user or system that last changed the import.';

COMMENT ON COLUMN talkdesk.import_history.updated_at IS 'Instant of the last change at the source.';

COMMENT ON COLUMN talkdesk.import_history.canceled_by IS 'Id of the user or system that cancelled the import.';

COMMENT ON COLUMN talkdesk.import_history.canceled_at IS 'Instant of the cancellation.';

COMMENT ON COLUMN talkdesk.import_history.extra IS
'What the source sent and no column took: unknown keys, and values that no column could read.';

COMMENT ON COLUMN talkdesk.import_history.first_seen_at IS 'Instant (our clock) at which the import was first written.';

COMMENT ON COLUMN talkdesk.import_history.last_changed_at IS 'Instant (our clock) at which the import last changed.';

COMMENT ON COLUMN talkdesk.import_history.records_loaded_at IS
'Instant at which all records of the finished import were in; NULL = not yet.';

COMMENT ON COLUMN talkdesk.import_history.expired_at IS
'Instant at which the source was found to have forgotten the import; the row stays.';

COMMENT ON COLUMN talkdesk.import_history.duration IS
'How long a finished import took: from created_at to updated_at (canceled_at if CANCELED) where these tell, else between the syncs that first saw it running and first saw it finished; NULL while it runs or if nobody saw.';

COMMENT ON COLUMN talkdesk.import_history.success_rate IS
'Completed of completed and failed records, 0 to 1; NULL if there are neither.';

COMMENT ON COLUMN talkdesk.import_history.records_loaded IS 'Rows of the import in import_records.';

COMMENT ON COLUMN talkdesk.import_history.records_missing IS
'Lines of the file without a row in import_records: not loaded yet (then records_loaded_at is NULL) or not given by the source; NULL if the source tells no total.';

COMMENT ON COLUMN talkdesk.import_history.is_terminal IS
'True if the status is one after which nothing changes: COMPLETED, COMPLETED_WITH_ERRORS, SUCCESSFUL, CANCELED, FAILED.';

COMMENT ON COLUMN talkdesk.import_history.is_expired IS 'True if the source has forgotten the import.';
