CREATE FUNCTION talkdesk.case_fields_as_of(instant timestamptz)
RETURNS SETOF talkdesk.case_fields_versions
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    SELECT v.* FROM talkdesk.case_fields_versions AS v WHERE tstzrange(v.valid_from, v.valid_to) @> instant
$$;

COMMENT ON FUNCTION talkdesk.case_fields_as_of(timestamptz) IS
'The case fields as they were known at the instant, without those removed by then: columns of case_fields_versions.';
