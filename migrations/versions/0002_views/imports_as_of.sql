CREATE FUNCTION talkdesk.imports_as_of(instant timestamptz)
RETURNS SETOF talkdesk.imports_versions
LANGUAGE sql
STABLE
PARALLEL SAFE
AS $$
    SELECT v.* FROM talkdesk.imports_versions AS v WHERE tstzrange(v.valid_from, v.valid_to) @> instant
$$;

COMMENT ON FUNCTION talkdesk.imports_as_of(timestamptz) IS
'The imports as they were known at the instant, expired ones included: columns of imports_versions.';
