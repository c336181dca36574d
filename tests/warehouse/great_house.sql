-- 300,000 records in 300 imports of two accounts, and two years of hourly runs of twenty accounts.
INSERT INTO talkdesk.imports
    (account, import_id, filename, status, total_records, created_at, updated_at, records_loaded, records_loaded_at)
SELECT
    CASE WHEN i % 2 = 0 THEN 'acme' ELSE 'zenith' END, 'i' || i, 'users-' || i || '.csv', 'COMPLETED', 1000,
    now() - i * interval '58 hours', now() - i * interval '58 hours' + interval '5 minutes', 1000, now()
FROM generate_series(300, 1, -1) AS i;

INSERT INTO talkdesk.imports_versions (account, import_id, status, valid_from, valid_to)
SELECT account, import_id, state.status, created_at + state.since, created_at + state.until
FROM talkdesk.imports,
    (VALUES
        ('QUEUED', interval '1 hour', interval '2 hours'), ('COMPLETED', interval '2 hours', NULL)
    ) AS state (status, since, until);

INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)
SELECT account, import_id, 'line:' || n, n, '{"Email": "somebody@example.com", "Role": "agent"}'
FROM talkdesk.imports, generate_series(1, 1000) AS n;

INSERT INTO talkdesk.import_record_errors (account, import_id, record_key, error_no, code)
SELECT account, import_id, record_key, 0, 'E1' FROM talkdesk.import_records WHERE position <= 50;

-- Some thousand users who were there before, each renamed twice; the imports name one of them.
INSERT INTO talkdesk.users_versions (account, user_id, name, email, valid_from, valid_to)
SELECT
    account, 'u' || u, 'User ' || u || '/' || v, CASE u WHEN 1 THEN 'Somebody@example.com' ELSE 'u' || u || '@example.com' END,
    now() - v * interval '200 days', CASE v WHEN 1 THEN NULL ELSE now() - (v - 1) * interval '200 days' END
FROM unnest(ARRAY['acme', 'zenith']) AS account, generate_series(1, 3000) AS u, generate_series(3, 1, -1) AS v;

-- Runs of each hour, one account after the other, in the order in which a ledger grows. Some accounts did not run for a
-- while, some ran and did not read the list to its end.
CREATE TEMPORARY TABLE hours AS
SELECT
    'account ' || lpad(a::text, 2, '0') AS account,
    to_char(now() - h * interval '1 hour', 'YYYYMMDD"T"HH24MISS"Z"-') || left(md5(a || '/' || h), 8) AS run_id,
    now() - h * interval '1 hour' - a * interval '10 seconds' AS started_at,
    NOT (
        (a = 3 AND h BETWEEN 200 * 24 AND 225 * 24)
        OR (a = 5 AND h BETWEEN 500 * 24 AND 530 * 24)
    ) AS complete
FROM generate_series(730 * 24, 0, -1) AS h, generate_series(1, 20) AS a
WHERE NOT (
    (a = 2 AND h BETWEEN 60 * 24 AND 100 * 24)
    OR (a = 4 AND h BETWEEN 390 * 24 AND 415 * 24)
    OR (a = 6 AND h <= 25 * 24)
    OR (a = 8 AND h BETWEEN 300 * 24 AND 319 * 24)
);

INSERT INTO talkdesk.sync_runs (account, run_id, started_at, finished_at, outcome, options, version)
SELECT
    account, run_id, started_at, started_at + interval '40 seconds',
    CASE WHEN complete THEN 'succeeded' ELSE 'failed' END, '{"full": false, "only": null, "retention_days": 20}', '0.1.0'
FROM hours;

INSERT INTO talkdesk.sync_run_resources (account, run_id, resource, read, complete)
SELECT account, run_id, resource, 12, complete
FROM hours, unnest(ARRAY['imports', 'import_records', 'case_fields', 'case_field_entries']) AS resource;
