CREATE VIEW talkdesk.import_daily AS
SELECT
    account,
    (created_at AT TIME ZONE 'UTC')::date AS day,
    type,
    count(*) AS imports,
    sum(total_records) AS total_records,
    sum(completed_records) AS completed_records,
    sum(failed_records) AS failed_records,
    trim_scale(
        sum(greatest(completed_records, 0))
        / nullif(sum(greatest(completed_records, 0)) + sum(greatest(failed_records, 0)), 0)
    ) AS success_rate
FROM talkdesk.imports
GROUP BY account, (created_at AT TIME ZONE 'UTC')::date, type;

COMMENT ON VIEW talkdesk.import_daily IS 'Imports per account, day (UTC) of submission and type.';

COMMENT ON COLUMN talkdesk.import_daily.account IS 'Talkdesk account.';

COMMENT ON COLUMN talkdesk.import_daily.day IS 'Day of submission in UTC; NULL if the source did not say when.';

COMMENT ON COLUMN talkdesk.import_daily.type IS 'Type of the imports.';

COMMENT ON COLUMN talkdesk.import_daily.imports IS 'Number of imports, expired ones included.';

COMMENT ON COLUMN talkdesk.import_daily.total_records IS 'Lines of their files, as the source counts them.';

COMMENT ON COLUMN talkdesk.import_daily.completed_records IS 'Records that succeeded.';

COMMENT ON COLUMN talkdesk.import_daily.failed_records IS 'Records that failed.';

COMMENT ON COLUMN talkdesk.import_daily.success_rate IS
'Completed of completed and failed records, 0 to 1; NULL if there are neither.';
