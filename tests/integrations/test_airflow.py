"""The DAG for Airflow 3, run by Airflow itself against a sandbox and a real warehouse."""

import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.account import Account
from tests.integrations.conftest import said_by, several_accounts

FOLDER = Path(__file__).parents[2] / "docs" / "integrations" / "airflow"
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import talkdesk_etl
run = talkdesk_etl.talkdesk_etl().test()
states = sorted((ti.task_id, str(ti.state)) for ti in run.get_task_instances())
print("STATES", json.dumps(states))
"""
LOCK = "SELECT pg_advisory_lock(hashtextextended('talkdesk-etl a', 0))"

pytestmark = pytest.mark.integration


@pytest.fixture
def run(
    acme: Account, tmp_path: Path, environment: Callable[..., Path], bare_environment: dict[str, str]
) -> Callable[[], str]:
    """Runs the DAG once; says which state each task came to."""
    programs = environment("airflow", "apache-airflow>=3,<4", "apache-airflow-providers-standard")
    variables = {
        **bare_environment,
        **several_accounts(acme, tmp_path, "a", "b"),
        "PATH": f"{Path(sys.executable).parent}:{bare_environment['PATH']}",
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    }

    def once() -> str:
        said = said_by(variables, programs / "python", "-c", RUN, FOLDER)
        return next(line for line in said.splitlines() if line.startswith("STATES"))

    said_by(variables, programs / "airflow", "db", "migrate")
    return once


def test_each_account_by_itself(acme: Account, run: Callable[[], str]) -> None:
    """All are synced; one that another sync has at work is skipped."""
    assert 'STATES [["accounts", "success"], ["sync", "success"], ["sync", "success"]]' == run()
    assert ["a", "b"] == acme.column("SELECT account FROM talkdesk.sync_runs WHERE outcome = 'succeeded' ORDER BY 1")

    with psycopg.connect(acme.url) as other:
        other.execute(LOCK)
        assert 'STATES [["accounts", "success"], ["sync", "skipped"], ["sync", "success"]]' == run()
