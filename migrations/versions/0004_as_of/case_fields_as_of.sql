CREATE FUNCTION talkdesk.case_fields_as_of(instant timestamptz, account text DEFAULT NULL)
RETURNS SETOF talkdesk.case_fields_versions
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT v.*
    FROM talkdesk.case_fields_versions AS v
    WHERE
        tstzrange(v.valid_from, v.valid_to) @> instant
        AND (case_fields_as_of.account IS NULL OR v.account = case_fields_as_of.account);
END
$$;

COMMENT ON FUNCTION talkdesk.case_fields_as_of(timestamptz, text) IS
'The case fields of one account, or of all, as they were known at the instant, without those removed by then: columns of case_fields_versions.';
