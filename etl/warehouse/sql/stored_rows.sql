-- How many rows are stored of an account, gone ones included; the loader keeps count of the records.
SELECT
    (SELECT count(*) FROM talkdesk.imports AS i WHERE i.account = a.account) AS imports,
    (
        SELECT coalesce(sum(i.records_loaded), 0)::bigint FROM talkdesk.imports AS i WHERE i.account = a.account
    ) AS import_records,
    (SELECT count(*) FROM talkdesk.case_fields AS f WHERE f.account = a.account) AS case_fields,
    (SELECT count(*) FROM talkdesk.case_field_entries AS e WHERE e.account = a.account) AS case_field_entries,
    (SELECT count(*) FROM talkdesk.users AS u WHERE u.account = a.account) AS users,
    a.account
FROM unnest(CAST(:accounts AS text[])) AS a (account)
