-- The age of the newest run that read the whole list of imports.
SELECT extract(EPOCH FROM now() - n.started_at)
FROM talkdesk.newest_reads(:account, ARRAY['imports']) AS n
