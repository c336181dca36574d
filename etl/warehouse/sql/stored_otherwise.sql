-- Records that were stored under other privacy settings than these; three conditions, for the index knows no inequality.
SELECT
    coalesce(sum(i.records_loaded), 0)::bigint AS records,
    coalesce(sum(i.records_loaded) FILTER (WHERE i.expired_at IS NOT NULL), 0)::bigint AS gone
FROM talkdesk.imports AS i
WHERE
    i.account = :account AND i.records_loaded > 0
    AND (
        i.records_privacy < :privacy
        OR i.records_privacy > :privacy
        OR (i.records_privacy IS NULL AND NOT CAST(:is_open AS boolean))
    )
