-- Finished imports whose records are not all here: not given by the source, not read yet, or forgotten before they were.
SELECT h.account, count(*) AS imports
FROM talkdesk.import_history AS h
WHERE h.is_terminal AND (h.records_missing > 0 OR h.records_loaded_at IS NULL)
GROUP BY h.account
