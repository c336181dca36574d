-- A type, because a function that returns columns of its own cannot have an argument of the same name.
CREATE TYPE talkdesk.case_field_entry_as_of AS (
    account text,
    field_key text,
    entry_id text,
    key text,
    label text,
    path text[],
    labels text[],
    parent_id text,
    depth integer,
    extra jsonb,
    valid_from timestamptz,
    valid_to timestamptz
);

COMMENT ON TYPE talkdesk.case_field_entry_as_of IS
'What case_field_entries_as_of returns: the columns of case_field_entries_versions, and labels from the root.';
