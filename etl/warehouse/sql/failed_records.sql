-- The failed records of an import in the order of the file, each with its errors. A status that speaks of success, and
-- of no error, is believed; another one fails a record that has errors.
SELECT
    r.data::text AS data,
    e.codes,
    e.messages,
    e.fields
FROM talkdesk.import_records AS r
LEFT JOIN LATERAL (
    SELECT
        count(*) AS number,
        array_agg(x.code ORDER BY x.error_no) AS codes,
        array_agg(coalesce(x.message, x.description) ORDER BY x.error_no) AS messages,
        array_agg(x.field ORDER BY x.error_no) AS fields
    FROM talkdesk.import_record_errors AS x
    WHERE x.account = r.account AND x.import_id = r.import_id AND x.record_key = r.record_key
) AS e ON true
WHERE
    r.account = :account AND r.import_id = :import_id AND r.erased_at IS NULL
    AND (
        r.status ~* '^\s*(fail|error|invalid|reject)'
        OR (
            e.number > 0
            AND (
                r.status ~* '^\s*(complete|success|succeed|ok|done|created|updated|deleted)'
                AND r.status !~* 'fail|error'
            ) IS NOT TRUE
        )
    )
ORDER BY r.position
