-- In plpgsql, because Citus refuses a SQL function that reads a distributed table; planned for the account that is
-- asked for, which finds its versions by their key.
CREATE FUNCTION talkdesk.imports_as_of(instant timestamptz, account text DEFAULT NULL)
RETURNS SETOF talkdesk.imports_versions
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT v.*
    FROM talkdesk.imports_versions AS v
    WHERE
        tstzrange(v.valid_from, v.valid_to) @> instant
        AND (imports_as_of.account IS NULL OR v.account = imports_as_of.account);
END
$$;

COMMENT ON FUNCTION talkdesk.imports_as_of(timestamptz, text) IS
'The imports of one account, or of all, as they were known at the instant, expired ones included: columns of imports_versions.';
