-- The accounts are found by one look each into the ledger's index, then asked one by one.
CREATE OR REPLACE VIEW talkdesk.coverage_gaps AS
WITH RECURSIVE accounts AS (
    SELECT min(r.account) AS account FROM talkdesk.sync_runs AS r
    UNION ALL
    SELECT (SELECT min(r.account) FROM talkdesk.sync_runs AS r WHERE r.account > a.account)
    FROM accounts AS a
    WHERE a.account IS NOT NULL
)

SELECT a.account, g.gap_from, g.gap_to
FROM accounts AS a
CROSS JOIN LATERAL talkdesk.coverage_gaps_of(a.account) AS g
WHERE a.account IS NOT NULL AND 'imports' = any(talkdesk.resources_of(a.account));
