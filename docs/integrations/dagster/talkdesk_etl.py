"""Assets for Dagster: the warehouse is one asset, each configured account a partition of it, synced every hour.

An account that another sync has at work is not materialized, and nothing fails. Nothing is retried: the next hour is
the retry.
"""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

COMMAND = "talkdesk-etl"  # or its path; its settings are those of the environment, or of a .env file
BUSY = 7


def _accounts() -> list[str]:
    """Name the accounts that are configured; read when the code location is loaded, so load it anew after a change."""
    done = subprocess.run([COMMAND, "accounts", "--json"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["accounts"]
    return [name for name, account in found.items() if account["configured"]]


ACCOUNTS = dg.StaticPartitionsDefinition(_accounts())


@dg.asset(
    partitions_def=ACCOUNTS,
    output_required=False,
    kinds={"postgres"},
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=6)),
)
def talkdesk_warehouse(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """Copy of an account's imports, records and case fields."""
    done = subprocess.run(
        [COMMAND, "sync", "--json", "--account", context.partition_key], capture_output=True, text=True, check=False
    )
    context.log.info(done.stderr)
    if done.returncode == BUSY:
        context.log.info("another sync of the account is at work")
        return
    answer = json.loads(done.stdout)
    if done.returncode:
        raise dg.Failure(f"exit code {done.returncode}", metadata={"errors": dg.MetadataValue.json(answer["errors"])})
    counts = answer["accounts"][context.partition_key]
    yield dg.Output(None, metadata={name: dg.MetadataValue.json(each) for name, each in counts.items()})


sync_job = dg.define_asset_job("sync_talkdesk", selection=[talkdesk_warehouse], partitions_def=ACCOUNTS)


@dg.schedule(job=sync_job, cron_schedule="7 * * * *", execution_timezone="UTC")
def every_hour(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Ask for each account by name: a plain schedule of a partitioned asset would ask for no partition."""
    hour = context.scheduled_execution_time.isoformat()
    for account in ACCOUNTS.get_partition_keys():
        yield dg.RunRequest(run_key=f"{account} {hour}", partition_key=account, tags={"talkdesk/account": account})


definitions = dg.Definitions(assets=[talkdesk_warehouse], jobs=[sync_job], schedules=[every_hour])
