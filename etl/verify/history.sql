-- What `verify --deep` asks of the warehouse alone: damage in what the source can no longer be asked for.

-- newest_listed --
-- When the youngest import was submitted, by the source's own clock, that the newest complete listing had brought.
-- No clock of ours is held against the source's: an older import that is unknown here must have been lost.
SELECT max(i.created_at)
FROM talkdesk.imports AS i
WHERE
    i.account = :account
    AND i.first_seen_at <= (
        SELECT max(coalesce(r.finished_at, r.started_at))
        FROM talkdesk.sync_runs AS r
        INNER JOIN talkdesk.sync_run_resources AS s ON s.account = r.account AND s.run_id = r.run_id
        WHERE
            r.account = :account AND r.window_from IS NULL AND r.window_to IS NULL
            AND s.resource = 'imports' AND s.complete
    )

-- ran_since --
-- Whether a sync of the account has been at work since an instant.
SELECT EXISTS (
    SELECT FROM talkdesk.sync_runs
    WHERE
        account = :account
        AND (outcome = 'running' OR started_at >= :since OR coalesce(finished_at, started_at) >= :since)
)

-- orphan_records --
-- Imports that have records or errors, and no row of their own.
SELECT DISTINCT orphans.import_id AS key
FROM (
    SELECT r.import_id
    FROM talkdesk.import_records AS r
    LEFT JOIN talkdesk.imports AS i ON i.account = r.account AND i.import_id = r.import_id
    WHERE r.account = :account AND i.import_id IS NULL
    UNION ALL
    SELECT e.import_id
    FROM talkdesk.import_record_errors AS e
    LEFT JOIN talkdesk.imports AS i ON i.account = e.account AND i.import_id = e.import_id
    WHERE e.account = :account AND i.import_id IS NULL
) AS orphans

-- orphan_errors --
-- Imports that have errors of records that are not there.
SELECT DISTINCT e.import_id AS key
FROM talkdesk.import_record_errors AS e
LEFT JOIN talkdesk.import_records AS r
    ON r.account = e.account AND r.import_id = e.import_id AND r.record_key = e.record_key
INNER JOIN talkdesk.imports AS i ON i.account = e.account AND i.import_id = e.import_id
WHERE e.account = :account AND r.record_key IS NULL

-- miscounted_imports --
-- Imports that have not as many records as the loader has noted: some came or went behind its back.
SELECT i.import_id AS key
FROM talkdesk.imports AS i
LEFT JOIN (
    SELECT r.account, r.import_id, count(*) AS number
    FROM talkdesk.import_records AS r
    WHERE r.account = :account
    GROUP BY r.account, r.import_id
) AS there ON there.account = i.account AND there.import_id = i.import_id
WHERE i.account = :account AND i.records_loaded <> coalesce(there.number, 0)

-- orphan_entries --
-- Fields that have entries, and no row of their own.
SELECT DISTINCT e.field_key AS key
FROM talkdesk.case_field_entries AS e
LEFT JOIN talkdesk.case_fields AS f ON f.account = e.account AND f.field_key = e.field_key
WHERE e.account = :account AND f.field_key IS NULL
