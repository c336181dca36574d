"""The assets for Dagster, materialized by Dagster itself against a sandbox and a real warehouse."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.account import Account
from tests.integrations.conftest import said_by, several_accounts

FOLDER = Path(__file__).parents[2] / "docs" / "integrations" / "dagster"
RUN = """
import datetime, json, sys
sys.path.insert(0, sys.argv[1])
import dagster as dg
import talkdesk_etl
materialized = {}
for account in talkdesk_etl.ACCOUNTS.get_partition_keys():
    result = dg.materialize([talkdesk_etl.talkdesk_warehouse], partition_key=account, raise_on_error=False)
    materialized[account] = [result.success, len(result.get_asset_materialization_events())]
at = datetime.datetime(2026, 3, 1, 8, 7, tzinfo=datetime.timezone.utc)
context = dg.build_schedule_context(scheduled_execution_time=at)
asked = [request.partition_key for request in talkdesk_etl.every_hour(context)]
dg.Definitions.validate_loadable(talkdesk_etl.definitions)
print("ANSWER", json.dumps({"materialized": materialized, "asked": asked}))
"""
LOCK = "SELECT pg_advisory_lock(hashtextextended('talkdesk-etl a', 0))"

pytestmark = pytest.mark.integration


@pytest.fixture
def run(
    acme: Account, tmp_path: Path, environment: Callable[..., Path], bare_environment: dict[str, str]
) -> Callable[[], Any]:
    """Materializes each partition once; says what came of it, and what the schedule asks for."""
    programs = environment("dagster", "dagster>=1.11,<2")
    variables = {
        **bare_environment,
        **several_accounts(acme, tmp_path, "a", "b"),
        "PATH": f"{Path(sys.executable).parent}:{bare_environment['PATH']}",
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }

    def once() -> Any:
        said = said_by(variables, programs / "python", "-c", RUN, FOLDER)
        line = next(line for line in said.splitlines() if line.startswith("ANSWER"))
        return json.loads(line.removeprefix("ANSWER"))

    return once


def test_each_account_is_a_partition(acme: Account, run: Callable[[], Any]) -> None:
    """Each is asked for by name, and materialized; one that another sync has at work is not, and does not fail."""
    assert {"materialized": {"a": [True, 1], "b": [True, 1]}, "asked": ["a", "b"]} == run()
    assert ["a", "b"] == acme.column("SELECT account FROM talkdesk.sync_runs WHERE outcome = 'succeeded' ORDER BY 1")

    with psycopg.connect(acme.url) as other:
        other.execute(LOCK)
        assert {"a": [True, 0], "b": [True, 1]} == run()["materialized"]

    acme.sandbox.faults.use("503=empty")
    assert {"a": [False, 0], "b": [False, 0]} == run()["materialized"]
