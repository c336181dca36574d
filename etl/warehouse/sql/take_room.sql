-- A megabyte, where the database keeps what it sorts and stages.
CREATE TEMPORARY TABLE talkdesk_room ON COMMIT DROP AS
SELECT repeat(md5(n::text), 32) AS filling
FROM generate_series(1, 1000) AS n
