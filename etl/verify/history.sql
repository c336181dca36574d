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
-- Imports that have records or errors, and no row of their own. From each import to the next leads one look at the key's
-- index: what the account holds is not read for it, and no statistics can turn that into a reading of all accounts.
WITH RECURSIVE with_records AS (
    SELECT min(r.import_id) AS import_id FROM talkdesk.import_records AS r WHERE r.account = :account
    UNION ALL
    SELECT
        (
            SELECT min(r.import_id) FROM talkdesk.import_records AS r
            WHERE r.account = :account AND r.import_id > w.import_id
        )
    FROM with_records AS w
    WHERE w.import_id IS NOT NULL
),

with_errors AS (
    SELECT min(e.import_id) AS import_id FROM talkdesk.import_record_errors AS e WHERE e.account = :account
    UNION ALL
    SELECT
        (
            SELECT min(e.import_id) FROM talkdesk.import_record_errors AS e
            WHERE e.account = :account AND e.import_id > w.import_id
        )
    FROM with_errors AS w
    WHERE w.import_id IS NOT NULL
),

found AS (
    SELECT import_id FROM with_records
    UNION
    SELECT import_id FROM with_errors
)

SELECT found.import_id AS key
FROM found
WHERE
    found.import_id IS NOT NULL
    AND (
        SELECT true FROM talkdesk.imports AS i
        WHERE i.account = :account AND i.import_id = found.import_id
    ) IS NULL

-- orphan_errors --
-- Of the imports, those that have errors of records that are not there. Each of them is looked up by itself.
SELECT known.import_id AS key
FROM unnest(CAST(:ids AS text [])) AS known (import_id)
WHERE
    (
        SELECT true
        FROM (
            SELECT * FROM talkdesk.import_record_errors AS e
            WHERE e.account = :account AND e.import_id = known.import_id
        ) AS errors
        LEFT JOIN (
            SELECT * FROM talkdesk.import_records AS r WHERE r.account = :account AND r.import_id = known.import_id
        ) AS records ON errors.record_key = records.record_key
        WHERE records.record_key IS NULL
        LIMIT 1
    )

-- miscounted_imports --
-- Of the imports, those that have not as many records as the loader has noted: some came or went behind its back.
SELECT known.import_id AS key
FROM unnest(CAST(:ids AS text [])) AS known (import_id)
WHERE
    (SELECT i.records_loaded FROM talkdesk.imports AS i WHERE i.account = :account AND i.import_id = known.import_id)
    <> (SELECT count(*) FROM talkdesk.import_records AS r WHERE r.account = :account AND r.import_id = known.import_id)

-- orphan_entries --
-- Fields that have entries, and no row of their own.
SELECT DISTINCT e.field_key AS key
FROM talkdesk.case_field_entries AS e
LEFT JOIN talkdesk.case_fields AS f ON f.account = e.account AND f.field_key = e.field_key
WHERE e.account = :account AND f.field_key IS NULL
