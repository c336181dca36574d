-- A loop over accounts, because Citus takes a recursive query only for one of them. The accounts come from
-- case_fields, which keeps every field that ever had entries and is short.
CREATE FUNCTION talkdesk.case_field_entries_as_of(instant timestamptz, account text DEFAULT NULL)
RETURNS SETOF talkdesk.case_field_entry_as_of
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    one text;
BEGIN
    FOR one IN
        SELECT DISTINCT f.account
        FROM talkdesk.case_fields AS f
        WHERE case_field_entries_as_of.account IS NULL OR f.account = case_field_entries_as_of.account
    LOOP
        RETURN QUERY
        WITH RECURSIVE known AS MATERIALIZED (
            SELECT v.*
            FROM talkdesk.case_field_entries_versions AS v
            WHERE v.account = one AND tstzrange(v.valid_from, v.valid_to) @> instant
        ),
        -- An entry without its parent is kept, with the labels above it unknown.
        tree AS (
            SELECT k.*, array_fill(NULL::text, ARRAY[k.depth - 1]) || k.label AS labels
            FROM known AS k
            LEFT JOIN known AS p ON p.field_key = k.field_key AND p.entry_id = k.parent_id
            WHERE p.entry_id IS NULL
            UNION ALL
            SELECT k.*, t.labels || k.label
            FROM tree AS t
            INNER JOIN known AS k ON k.field_key = t.field_key AND k.parent_id = t.entry_id
        )
        SELECT
            t.account, t.field_key, t.entry_id, t.key, t.label, t.path, t.labels, t.parent_id, t.depth,
            t.extra, t.valid_from, t.valid_to
        FROM tree AS t;
    END LOOP;
END
$$;

COMMENT ON FUNCTION talkdesk.case_field_entries_as_of(timestamptz, text) IS
'The dictionary entries of one account, or of all, as they were known at the instant, without those removed by then: columns of case_field_entries_versions, and labels from the root as they were then (NULL where an entry had none).';
