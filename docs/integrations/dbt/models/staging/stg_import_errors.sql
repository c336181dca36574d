-- One row for each error of a record and each field that it names, beside its import.
select
    account,
    import_id,
    record_key,
    error_no,
    filename,
    type as import_type,
    line,
    code as error_code,
    message as error_message,
    field as error_field
from {{ source('talkdesk', 'import_errors') }}
