CREATE OR REPLACE VIEW talkdesk.import_history AS
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
    i.records_loaded,
    CASE
        WHEN i.total_records > 0 THEN greatest(i.total_records - i.records_loaded, 0)
        WHEN i.total_records <= 0 THEN 0
    END AS records_missing,
    i.is_terminal,
    i.expired_at IS NOT NULL AS is_expired,
    creator.name AS created_by_name,
    updater.name AS updated_by_name,
    canceler.name AS canceled_by_name,
    i.record_columns,
    i.records_source,
    i.records_aged_at
FROM (
    SELECT
        account,
        import_id,
        filename,
        type,
        status,
        total_records,
        completed_records,
        failed_records,
        created_by,
        created_at,
        updated_by,
        updated_at,
        canceled_by,
        canceled_at,
        extra,
        first_seen_at,
        last_changed_at,
        records_loaded_at,
        expired_at,
        records_loaded,
        record_columns,
        records_source,
        records_aged_at,
        (status IN ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'SUCCESSFUL', 'CANCELED', 'FAILED')) IS TRUE AS is_terminal,
        coalesce(CASE WHEN status = 'CANCELED' THEN canceled_at END, updated_at) AS ended_at
    FROM talkdesk.imports
) AS i
-- For each import by itself, so that whoever asks for few imports pays for few.
LEFT JOIN LATERAL (
    SELECT
        min(s.valid_from) FILTER (WHERE NOT s.is_terminal) AS running_from,
        min(s.valid_from) FILTER (WHERE s.is_terminal) AS terminal_from
    FROM (
        SELECT
            w.account,
            w.import_id,
            w.valid_from,
            (w.status IN ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'SUCCESSFUL', 'CANCELED', 'FAILED')) IS TRUE AS is_terminal
        FROM talkdesk.imports_versions AS w
    ) AS s
    WHERE s.account = i.account AND s.import_id = i.import_id
    GROUP BY s.account, s.import_id
) AS v ON true
LEFT JOIN talkdesk.users AS creator ON creator.account = i.account AND creator.user_id = i.created_by
LEFT JOIN talkdesk.users AS updater ON updater.account = i.account AND updater.user_id = i.updated_by
LEFT JOIN talkdesk.users AS canceler ON canceler.account = i.account AND canceler.user_id = i.canceled_by;

COMMENT ON COLUMN talkdesk.import_history.record_columns IS
'Header of the file, as far as its records show it; NULL = not known, or cells are dropped.';

COMMENT ON COLUMN talkdesk.import_history.records_source IS
'Where the records came from: records, or errors_file (the failed ones alone, where the others cannot be had); NULL = nowhere yet.';

COMMENT ON COLUMN talkdesk.import_history.records_aged_at IS
'Instant at which cells and error texts of the records went, as TALKDESK_RECORD_KEEP_DAYS asks; NULL = they are there.';
