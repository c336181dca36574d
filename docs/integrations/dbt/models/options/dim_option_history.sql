-- Every meaning that an option ever had: valid_from is included, valid_to is not, and is empty for what it means now.
select
    account,
    field_key,
    entry_id as option_id,
    key as option_key,
    label,
    path,
    depth,
    valid_from,
    valid_to,
    valid_to is null as is_current
from {{ source('talkdesk', 'case_field_entries_versions') }}
