-- Which database this is, and how the ledger has the run, NULL if not at all.
SELECT
    d.oid::bigint AS database,
    (SELECT r.outcome FROM talkdesk.sync_runs AS r WHERE r.account = :account AND r.run_id = :run_id) AS outcome
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database()
