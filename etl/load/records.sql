-- The statements that load the records of imports and their errors.
--
-- Rows are found by account and one import, or by a sub-select of its own for each import: whatever the statistics
-- say, or do not know, the key's index answers that, and no join with the rest of the account can take its place.
-- Citus: every statement names the account; temporary tables are not correlated with distributed ones.

-- stored_imports --
-- Those of the imports that have stored rows. A limited sub-select cannot be hashed: of each, one row is looked up.
SELECT wanted.import_id
FROM unnest(CAST(:ids AS text [])) AS wanted (import_id)
WHERE
    (
        SELECT true FROM talkdesk.import_records AS r
        WHERE r.account = :account AND r.import_id = wanted.import_id
        LIMIT 1
    )
    OR (
        SELECT true FROM talkdesk.import_record_errors AS e
        WHERE e.account = :account AND e.import_id = wanted.import_id
        LIMIT 1
    )

-- copy_records --
-- Records of imports that have none stored, straight into their table.
COPY talkdesk.import_records (account, import_id, record_key, record_id, line, position, status, data)
FROM STDIN (FORMAT BINARY)

-- copy_errors --
-- Their errors.
COPY talkdesk.import_record_errors
    (account, import_id, record_key, error_no, code, message, description, field, field_description, extra)
FROM STDIN (FORMAT BINARY)

-- make_staged_records --
-- Where incoming records wait to be merged; made at the first use of a connection, for it costs WAL in the catalog.
CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.staged_import_records (
    account text,
    import_id text,
    record_key text,
    record_id text,
    line bigint,
    position bigint,
    status text,
    data jsonb,
    errors_differ boolean DEFAULT false
) ON COMMIT DELETE ROWS

-- make_staged_errors --
-- The same for their errors.
CREATE TEMPORARY TABLE IF NOT EXISTS pg_temp.staged_import_record_errors (
    account text,
    import_id text,
    record_key text,
    error_no integer,
    code text,
    message text,
    description text,
    field text,
    field_description text,
    extra jsonb
) ON COMMIT DELETE ROWS

-- empty_staged_records --
-- A transaction may stage more than once.
DELETE FROM pg_temp.staged_import_records

-- empty_staged_errors --
-- The same for their errors.
DELETE FROM pg_temp.staged_import_record_errors

-- stage_records --
-- Incoming records of several imports.
COPY pg_temp.staged_import_records (account, import_id, record_key, record_id, line, position, status, data)
FROM STDIN (FORMAT BINARY)

-- stage_errors --
-- Their errors.
COPY pg_temp.staged_import_record_errors
    (account, import_id, record_key, error_no, code, message, description, field, field_description, extra)
FROM STDIN (FORMAT BINARY)

-- compare --
-- How each import's staged records stand to the stored ones, and how many errors are not the same. What is asked for
-- each import is one array, so that a single sub-select reads it; it joins one import at a time, whatever it holds.
WITH found AS MATERIALIZED (
    SELECT
        wanted.import_id,
        (
            SELECT
                ARRAY[
                    count(*),
                    count(*) FILTER (WHERE stored.record_key IS NULL),
                    count(*) FILTER (
                        WHERE stored.record_key = staged.record_key
                        AND (
                            staged.errors_differ
                            OR (stored.record_id, stored.line, stored.position, stored.status, stored.data)
                            IS DISTINCT FROM
                            (staged.record_id, staged.line, staged.position, staged.status, staged.data)
                        )
                    ),
                    count(*) FILTER (WHERE staged.record_key IS NULL)
                ]
            FROM (
                SELECT * FROM talkdesk.import_records AS r
                WHERE r.account = :account AND r.import_id = wanted.import_id
            ) AS stored
            FULL JOIN (
                SELECT * FROM pg_temp.staged_import_records AS s WHERE s.import_id = wanted.import_id
            ) AS staged ON stored.record_key = staged.record_key
        ) AS records,
        (
            SELECT count(*)
            FROM (
                SELECT * FROM talkdesk.import_record_errors AS e
                WHERE e.account = :account AND e.import_id = wanted.import_id
            ) AS old
            FULL JOIN (
                SELECT * FROM pg_temp.staged_import_record_errors AS s WHERE s.import_id = wanted.import_id
            ) AS new ON old.record_key = new.record_key AND old.error_no = new.error_no
            WHERE
                (old.record_key, old.code, old.message, old.description, old.field, old.field_description, old.extra)
                IS DISTINCT FROM
                (new.record_key, new.code, new.message, new.description, new.field, new.field_description, new.extra)
        ) AS errors
    FROM unnest(CAST(:ids AS text [])) AS wanted (import_id)
)

SELECT
    import_id,
    records[1] AS number,
    records[2] AS inserted,
    records[3] AS updated,
    records[4] AS gone,
    errors
FROM found

-- flag_errors --
-- Staged records whose errors are not the stored ones are flagged: they have changed, too.
UPDATE pg_temp.staged_import_records AS staged
SET errors_differ = true
FROM (
    SELECT DISTINCT coalesce(old.record_key, new.record_key) AS record_key
    FROM (SELECT * FROM talkdesk.import_record_errors WHERE account = :account AND import_id = :import_id) AS old
    FULL JOIN (SELECT * FROM pg_temp.staged_import_record_errors WHERE import_id = :import_id) AS new
        ON old.record_key = new.record_key AND old.error_no = new.error_no
    WHERE
        (old.record_key, old.code, old.message, old.description, old.field, old.field_description, old.extra)
        IS DISTINCT FROM
        (new.record_key, new.code, new.message, new.description, new.field, new.field_description, new.extra)
) AS differing
WHERE staged.import_id = :import_id AND staged.record_key = differing.record_key

-- delete_gone_records --
-- Stored records that were not staged; a join finds them, for NOT IN compares each with each beyond work_mem.
DELETE FROM talkdesk.import_records
WHERE
    account = :account AND import_id = :import_id
    AND record_key IN (
        SELECT there.record_key
        FROM talkdesk.import_records AS there
        LEFT JOIN (SELECT record_key FROM pg_temp.staged_import_records WHERE import_id = :import_id) AS staged
            ON there.record_key = staged.record_key
        WHERE there.account = :account AND there.import_id = :import_id AND staged.record_key IS NULL
    )

-- delete_errors_of_gone_records --
-- Stored errors of records that were not staged.
DELETE FROM talkdesk.import_record_errors
WHERE
    account = :account AND import_id = :import_id
    AND record_key IN (
        SELECT there.record_key
        FROM talkdesk.import_record_errors AS there
        LEFT JOIN (SELECT record_key FROM pg_temp.staged_import_records WHERE import_id = :import_id) AS staged
            ON there.record_key = staged.record_key
        WHERE there.account = :account AND there.import_id = :import_id AND staged.record_key IS NULL
    )

-- upsert_records --
-- Staged records that are new or differ; the same ones are joined away, for ON CONFLICT would lock and log them.
INSERT INTO talkdesk.import_records (account, import_id, record_key, record_id, line, position, status, data)
SELECT
    staged.account, staged.import_id, staged.record_key,
    staged.record_id, staged.line, staged.position, staged.status, staged.data
FROM pg_temp.staged_import_records AS staged
LEFT JOIN (SELECT * FROM talkdesk.import_records WHERE account = :account AND import_id = :import_id) AS stored
    ON staged.record_key = stored.record_key
WHERE
    staged.import_id = :import_id
    AND (
        staged.errors_differ
        OR (stored.record_key, stored.record_id, stored.line, stored.position, stored.status, stored.data)
        IS DISTINCT FROM
        (staged.record_key, staged.record_id, staged.line, staged.position, staged.status, staged.data)
    )
ON CONFLICT (account, import_id, record_key) DO UPDATE SET
    record_id = excluded.record_id,
    line = excluded.line,
    position = excluded.position,
    status = excluded.status,
    data = excluded.data,
    last_changed_at = excluded.last_changed_at

-- delete_errors --
-- Stored errors of flagged records.
DELETE FROM talkdesk.import_record_errors
WHERE
    account = :account AND import_id = :import_id
    AND record_key IN (
        SELECT record_key FROM pg_temp.staged_import_records WHERE import_id = :import_id AND errors_differ
    )

-- insert_errors --
-- Staged errors of flagged records.
INSERT INTO talkdesk.import_record_errors
    (account, import_id, record_key, error_no, code, message, description, field, field_description, extra)
SELECT
    e.account, e.import_id, e.record_key, e.error_no,
    e.code, e.message, e.description, e.field, e.field_description, e.extra
FROM pg_temp.staged_import_record_errors AS e
INNER JOIN pg_temp.staged_import_records AS staged
    ON e.import_id = staged.import_id AND e.record_key = staged.record_key
WHERE staged.import_id = :import_id AND staged.errors_differ

-- keys_of_records --
-- The stored records of an import.
SELECT record_key FROM talkdesk.import_records WHERE account = :account AND import_id = :import_id

-- keys_of_errors --
-- Records of an import that have stored errors.
SELECT DISTINCT record_key FROM talkdesk.import_record_errors WHERE account = :account AND import_id = :import_id

-- delete_records --
-- These records of an import.
DELETE FROM talkdesk.import_records
WHERE account = :account AND import_id = :import_id AND record_key = ANY(CAST(:keys AS text []))

-- delete_errors_of_records --
-- Their errors.
DELETE FROM talkdesk.import_record_errors
WHERE account = :account AND import_id = :import_id AND record_key = ANY(CAST(:keys AS text []))

-- count_records --
-- How many records of an import are stored.
SELECT count(*) FROM talkdesk.import_records WHERE account = :account AND import_id = :import_id

-- with_own_records --
-- Those of the imports of which the records themselves are stored.
SELECT i.import_id
FROM talkdesk.imports AS i
WHERE
    i.account = :account AND i.import_id = ANY(CAST(:ids AS text []))
    AND i.records_source = 'records' AND i.records_loaded > 0

-- note_loaded --
-- The import knows how many of its records are here (NULL: as many as before), that they are all in if it is final,
-- and what was kept of their cells, what their header is and where they came from (NULL: as before).
UPDATE talkdesk.imports
SET
    records_loaded = coalesce(CAST(:records_loaded AS bigint), records_loaded),
    records_loaded_at = CASE WHEN :is_final THEN coalesce(records_loaded_at, now()) ELSE records_loaded_at END,
    records_privacy = coalesce(CAST(:privacy AS text), records_privacy),
    record_columns = coalesce(CAST(:columns AS text []), record_columns),
    records_source = coalesce(CAST(:source AS text), records_source)
WHERE
    account = :account AND import_id = :import_id
    AND (
        records_loaded <> CAST(:records_loaded AS bigint)
        OR (:is_final AND records_loaded_at IS NULL)
        OR records_privacy IS DISTINCT FROM coalesce(CAST(:privacy AS text), records_privacy)
        OR record_columns IS DISTINCT FROM coalesce(CAST(:columns AS text []), record_columns)
        OR records_source IS DISTINCT FROM coalesce(CAST(:source AS text), records_source)
    )
