-- Every bulk import that was ever seen, also those that Talkdesk has forgotten.
select
    account,
    import_id,
    filename,
    type as import_type,
    status,
    total_records,
    completed_records,
    failed_records,
    success_rate,
    records_loaded,
    records_missing,
    records_source,
    created_by,
    created_by_name,
    created_at,
    created_at at time zone 'UTC' as created_at_utc,
    duration,
    is_terminal,
    is_expired
from {{ source('talkdesk', 'import_history') }}
