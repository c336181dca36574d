CREATE FUNCTION talkdesk.users_as_of(instant timestamptz, account text DEFAULT NULL)
RETURNS SETOF talkdesk.users_versions
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT v.*
    FROM talkdesk.users_versions AS v
    WHERE
        tstzrange(v.valid_from, v.valid_to) @> instant
        AND (users_as_of.account IS NULL OR v.account = users_as_of.account);
END
$$;

COMMENT ON FUNCTION talkdesk.users_as_of(timestamptz, text) IS
'The users of one account, or of all, as they were known at the instant, without those removed by then: columns of users_versions. Personal data.';
