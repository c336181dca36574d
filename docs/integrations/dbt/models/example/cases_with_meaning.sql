-- An example: cases as some system of yours keeps them, with a code, and what the code meant when each was opened. A code
-- of an earlier day than the first sync has the oldest meaning that is known.
with meanings as (
    select
        account,
        field_key,
        option_key,
        label,
        case
            when row_number() over (partition by account, field_key, option_id order by valid_from) = 1
                then '-infinity'::timestamptz
            else valid_from
        end as valid_from,
        valid_to
    from {{ ref('dim_option_history') }}
    where depth = 1
)

select
    c.case_id,
    c.opened_at,
    c.account,
    c.field_key,
    c.option_key,
    m.label as meant_then,
    n.label as means_now
from {{ ref('example_cases') }} as c
left join meanings as m
    on
        m.account = c.account and m.field_key = c.field_key and m.option_key = c.option_key
        and m.valid_from <= c.opened_at and (m.valid_to is null or c.opened_at < m.valid_to)
left join {{ ref('dim_option') }} as n
    on n.account = c.account and n.field_key = c.field_key and n.option_key = c.option_key and n.depth = 1
