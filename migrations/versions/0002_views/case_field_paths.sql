CREATE VIEW talkdesk.case_field_paths AS
SELECT
    e.account,
    e.field_key,
    f.name AS field_name,
    e.entry_id,
    e.key,
    e.label,
    (
        SELECT string_agg(coalesce(step.label, step.key), ' > ' ORDER BY step.depth)
        FROM unnest(e.labels, e.path) WITH ORDINALITY AS step (label, key, depth)
    ) AS label_path,
    e.path,
    e.labels,
    e.parent_id,
    e.depth,
    e.position,
    e.is_leaf,
    e.extra,
    e.first_seen_at,
    e.last_changed_at
FROM talkdesk.case_field_entries AS e
LEFT JOIN talkdesk.case_fields AS f ON f.account = e.account AND f.field_key = e.field_key
WHERE e.removed_at IS NULL;

COMMENT ON VIEW talkdesk.case_field_paths IS 'Current entries of the dictionaries, each with its labels from the root.';

COMMENT ON COLUMN talkdesk.case_field_paths.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.case_field_paths.field_key IS 'Key of the case field that the entry belongs to.';

COMMENT ON COLUMN talkdesk.case_field_paths.field_name IS 'Display name of the case field.';

COMMENT ON COLUMN talkdesk.case_field_paths.entry_id IS
'Derived from the path (and the place among twins): the same in every run and warehouse.';

COMMENT ON COLUMN talkdesk.case_field_paths.key IS 'Key of the entry at the source.';

COMMENT ON COLUMN talkdesk.case_field_paths.label IS 'Text that agents see.';

COMMENT ON COLUMN talkdesk.case_field_paths.label_path IS
'Labels from the root, such as Hardware > Laptop > 13 inch; the key stands for an entry without a label.';

COMMENT ON COLUMN talkdesk.case_field_paths.path IS 'Keys from the root, the entry''s own last.';

COMMENT ON COLUMN talkdesk.case_field_paths.labels IS 'Labels from the root, the entry''s own last.';

COMMENT ON COLUMN talkdesk.case_field_paths.parent_id IS 'entry_id of the parent; NULL at the root.';

COMMENT ON COLUMN talkdesk.case_field_paths.depth IS 'Level in the tree, 1 at the root.';

COMMENT ON COLUMN talkdesk.case_field_paths.position IS 'Place among its siblings, from 0.';

COMMENT ON COLUMN talkdesk.case_field_paths.is_leaf IS 'True if the entry has no children.';

COMMENT ON COLUMN talkdesk.case_field_paths.extra IS 'What the source sent and no column took.';

COMMENT ON COLUMN talkdesk.case_field_paths.first_seen_at IS 'Instant (our clock) at which the entry was first written.';

COMMENT ON COLUMN talkdesk.case_field_paths.last_changed_at IS 'Instant (our clock) at which the entry last changed.';
