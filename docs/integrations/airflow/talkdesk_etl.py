"""A DAG for Airflow 3: every hour each configured account is synced by a task of its own, so many side by side.

An account that another sync has at work is skipped. Nothing is retried: the next run is the retry, and goes on where
this one ended. What follows a sync listens to the asset.
"""

import json
import subprocess
from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset, dag, task

COMMAND = "talkdesk-etl"  # or its path; its settings are those of the worker's environment, or of a .env file
SIDE_BY_SIDE = 8
WAREHOUSE = Asset(name="talkdesk_warehouse", uri="talkdesk-etl://warehouse")


@dag(
    dag_id="talkdesk_etl",
    schedule="7 * * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 0},
)
def talkdesk_etl() -> None:
    """Sync every configured account."""

    @task
    def accounts() -> list[dict[str, str]]:
        """Name the accounts that are configured, as the variable that the command reads."""
        done = subprocess.run([COMMAND, "accounts", "--json"], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)["accounts"]
        return [{"ACCOUNT": name} for name, account in found.items() if account["configured"]]

    BashOperator.partial(
        task_id="sync",
        bash_command=f'{COMMAND} sync -q --account "$ACCOUNT"',
        append_env=True,
        skip_on_exit_code=7,
        retries=0,
        execution_timeout=timedelta(hours=1),
        max_active_tis_per_dag=SIDE_BY_SIDE,
        outlets=[WAREHOUSE],
    ).expand(env=accounts())


talkdesk_etl()
