-- The options of all case fields as they are now.
select
    e.account,
    e.field_key,
    e.entry_id as option_id,
    e.key as option_key,
    e.label,
    p.label_path,
    e.depth,
    e.is_leaf,
    f.name as field_name
from {{ source('talkdesk', 'case_field_entries') }} as e
inner join {{ source('talkdesk', 'case_field_paths') }} as p
    on p.account = e.account and p.field_key = e.field_key and p.entry_id = e.entry_id
inner join {{ source('talkdesk', 'case_fields') }} as f
    on f.account = e.account and f.field_key = e.field_key
where e.removed_at is null
