-- Of the listings whose successor was not old yet only the last one is still of that kind.
DELETE FROM talkdesk.coverage_folded AS f
USING talkdesk.coverage_folded AS later
WHERE
    f.account = :account
    AND f.next_listed_at IS NULL
    AND later.account = f.account
    AND later.next_listed_at IS NULL
    AND (later.listed_at, later.run_id) > (f.listed_at, f.run_id)
