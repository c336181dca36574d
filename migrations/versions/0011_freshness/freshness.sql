-- The accounts are found by one look each into the ledger's index, then asked one by one.
CREATE VIEW talkdesk.freshness AS
WITH RECURSIVE accounts AS (
    SELECT min(r.account) AS account FROM talkdesk.sync_runs AS r
    UNION ALL
    SELECT (SELECT min(r.account) FROM talkdesk.sync_runs AS r WHERE r.account > a.account)
    FROM accounts AS a
    WHERE a.account IS NOT NULL
)

SELECT
    a.account,
    n.resource,
    n.last_success_at,
    l.started_at AS last_started_at,
    l.outcome AS last_outcome
FROM accounts AS a
CROSS JOIN LATERAL talkdesk.newest_reads(a.account, talkdesk.resources_of(a.account)) AS n
LEFT JOIN LATERAL (
    SELECT r.started_at, r.outcome
    FROM talkdesk.sync_runs AS r
    WHERE r.account = a.account
    ORDER BY r.started_at DESC, r.run_id DESC
    LIMIT 1
) AS l ON true
WHERE a.account IS NOT NULL;

COMMENT ON VIEW talkdesk.freshness IS
'How fresh each resource of each account is, from the ledger alone: cheap, whatever is stored and however many runs there were. For schedulers and monitors; sync_health tells more and reads more.';

COMMENT ON COLUMN talkdesk.freshness.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.freshness.resource IS
'imports, import_records, case_fields, case_field_entries or users: what the account has at all.';

COMMENT ON COLUMN talkdesk.freshness.last_success_at IS
'When the newest run ended that succeeded or was partial and read the resource whole; backfills do not count. NULL = never.';

COMMENT ON COLUMN talkdesk.freshness.last_started_at IS 'When the newest run of the account began, whatever became of it.';

COMMENT ON COLUMN talkdesk.freshness.last_outcome IS
'What became of that run: running, succeeded, partial, failed, interrupted or died.';
