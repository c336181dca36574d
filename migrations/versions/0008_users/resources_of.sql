-- What the newest run was told; runs of before 0007 were told nothing, and read everything.
CREATE OR REPLACE FUNCTION talkdesk.resources_of(of_account text)
RETURNS text []
LANGUAGE sql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(p.resource ORDER BY p.number)
    FROM (
        VALUES
        (1, 'imports', 'imports'),
        (2, 'imports', 'import_records'),
        (3, 'case-fields', 'case_fields'),
        (4, 'case-fields', 'case_field_entries'),
        (5, 'users', 'users')
    ) AS p (number, part, resource)
    WHERE coalesce(
        (
            SELECT r.options -> 'resources'
            FROM talkdesk.sync_runs AS r
            WHERE r.account = of_account
            ORDER BY r.started_at DESC, r.run_id DESC
            LIMIT 1
        ),
        '["imports", "case-fields"]'
    ) ? p.part
$$;

COMMENT ON FUNCTION talkdesk.resources_of(text) IS
'The resources that the account has at all, as its newest run was told by the settings; without a run all of them.';
