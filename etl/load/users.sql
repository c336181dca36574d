-- What is noted of imports once the account's users were read.

-- users_known --
-- When the account's users were first read (NULL = never), and an instant that lies after all that was stored of them.
SELECT
    min(v.valid_from) AS since,
    greatest(clock_timestamp(), max(v.valid_from)) AS at
FROM talkdesk.users_versions AS v
WHERE v.account = :account

-- note_users_read --
-- What changes of users from now on is no more the doing of imports that are over.
UPDATE talkdesk.imports
SET users_read_at = :at
WHERE
    account = :account
    AND users_read_at IS NULL
    AND first_seen_at >= :known_since
    AND (
        status IN ('COMPLETED', 'COMPLETED_WITH_ERRORS', 'SUCCESSFUL', 'CANCELED', 'FAILED')
        OR expired_at IS NOT NULL
    )
