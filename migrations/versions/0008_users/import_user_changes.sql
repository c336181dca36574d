-- Whoever asks for one import pays for one: its records name addresses, these lead to the versions of users.
CREATE VIEW talkdesk.import_user_changes AS
SELECT
    i.account,
    i.import_id,
    i.filename,
    i.type,
    named.user_id,
    coalesce(later.name, earlier.name) AS name,
    changed.column_name,
    changed.was,
    changed.is_now,
    coalesce(later.valid_from, earlier.valid_to) AS seen_at
FROM (
    SELECT
        m.account,
        m.import_id,
        m.filename,
        m.type,
        m.users_read_at,
        -- By the source's clock, to the second, but no later than it was first seen here. Where users were not known
        -- then, by our own clock: users are read after imports.
        CASE
            WHEN k.since <= least(m.created_at + interval '1 second', m.first_seen_at)
                THEN least(m.created_at + interval '1 second', m.first_seen_at)
            ELSE m.first_seen_at
        END AS began_at,
        -- Who was no user before, unless nobody had looked yet, was made by the import.
        k.since <= m.first_seen_at AS users_were_known
    FROM talkdesk.imports AS m
    INNER JOIN LATERAL (
        SELECT v.valid_from AS since
        FROM talkdesk.users_versions AS v
        WHERE v.account = m.account
        ORDER BY v.valid_from
        LIMIT 1
    ) AS k ON true
) AS i
CROSS JOIN LATERAL (
    SELECT u.user_id, array_agg(d.address) AS addresses
    FROM (
        SELECT DISTINCT lower(btrim(c.address)) AS address
        FROM talkdesk.import_records AS r
        CROSS JOIN LATERAL (VALUES (r.data ->> 'Email'), (r.data ->> 'Current Email')) AS c (address)
        WHERE r.account = i.account AND r.import_id = i.import_id
    ) AS d
    INNER JOIN talkdesk.users_versions AS u ON u.account = i.account AND lower(btrim(u.email)) = d.address
    GROUP BY u.user_id
) AS named
LEFT JOIN LATERAL (
    SELECT b.*
    FROM talkdesk.users_versions AS b
    WHERE
        b.account = i.account AND b.user_id = named.user_id
        AND b.valid_from <= i.began_at AND (b.valid_to IS NULL OR b.valid_to > i.began_at)
    ORDER BY b.valid_from DESC
    LIMIT 1
) AS earlier ON true
LEFT JOIN LATERAL (
    SELECT a.*
    FROM talkdesk.users_versions AS a
    WHERE
        a.account = i.account AND a.user_id = named.user_id
        AND a.valid_from > i.began_at AND (i.users_read_at IS NULL OR a.valid_from <= i.users_read_at)
    ORDER BY a.valid_from
    LIMIT 1
) AS later ON true
CROSS JOIN LATERAL (
    SELECT c.column_name, c.was, c.is_now
    FROM (
        VALUES
        ('name', earlier.name, later.name),
        ('email', earlier.email, later.email),
        ('active', earlier.active::text, later.active::text),
        ('gender', earlier.gender, later.gender),
        ('extension', earlier.extension, later.extension),
        ('external_phone_number', earlier.external_phone_number, later.external_phone_number),
        (
            'created_at',
            to_char(earlier.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            to_char(later.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ),
        ('extra', nullif(earlier.extra, '{}')::text, nullif(later.extra, '{}')::text)
    ) AS c (column_name, was, is_now)
    WHERE later.user_id IS NOT NULL AND c.was IS DISTINCT FROM c.is_now
    UNION ALL
    SELECT 'removed_at', NULL, to_char(earlier.valid_to AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    WHERE
        later.user_id IS NULL AND earlier.valid_to IS NOT NULL
        AND (i.users_read_at IS NULL OR earlier.valid_to <= i.users_read_at)
) AS changed
WHERE
    (earlier.user_id IS NOT NULL OR i.users_were_known)
    AND named.addresses && ARRAY[lower(btrim(earlier.email)), lower(btrim(later.email))];

COMMENT ON VIEW talkdesk.import_user_changes IS
'What an import did to the users whom its records name by e-mail (Email, Current Email; case does not matter): how the first state seen after it began differs from the last one before. Only where TALKDESK_USERS is keep and users were read before the import. What somebody changed by hand between the last sync before an import and the first one after it counts as the import''s, and where two imports of one user lie between two syncs, both show what both did. Empty where the e-mail cells were hashed, dropped or erased: the key of the hash is not in the database. Personal data.';

COMMENT ON COLUMN talkdesk.import_user_changes.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.import_user_changes.import_id IS 'The import.';

COMMENT ON COLUMN talkdesk.import_user_changes.filename IS 'Name of the submitted CSV file.';

COMMENT ON COLUMN talkdesk.import_user_changes.type IS 'Type of the import.';

COMMENT ON COLUMN talkdesk.import_user_changes.user_id IS 'Id of the user.';

COMMENT ON COLUMN talkdesk.import_user_changes.name IS 'Name of the user after the import; of one that it removed, before.';

COMMENT ON COLUMN talkdesk.import_user_changes.column_name IS
'Column of users that changed; removed_at of a user that is gone since.';

COMMENT ON COLUMN talkdesk.import_user_changes.was IS 'What it was before the import began; NULL: nothing, or no user.';

COMMENT ON COLUMN talkdesk.import_user_changes.is_now IS 'What it was when it was first seen afterwards; instants in UTC.';

COMMENT ON COLUMN talkdesk.import_user_changes.seen_at IS 'Instant at which the sync saw the change.';
