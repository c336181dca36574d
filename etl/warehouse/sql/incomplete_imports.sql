-- Finished imports whose records are not all here: not given by the source, or not read yet.
SELECT h.account, count(*) AS imports
FROM talkdesk.import_history AS h
WHERE h.is_terminal AND (h.records_missing > 0 OR (h.records_loaded_at IS NULL AND NOT h.is_expired))
GROUP BY h.account
