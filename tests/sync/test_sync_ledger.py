"""The ledger: one row per run and account, one per resource, with the numbers that the program prints."""

import logging

import pytest

from etl import __version__
from tests.account import RESOURCES, Account

RUNS = "SELECT * FROM talkdesk.sync_runs ORDER BY started_at"
RESOURCES_OF_RUN = "SELECT * FROM talkdesk.sync_run_resources WHERE run_id = %s"


def test_the_ledger_of_a_run(acme: Account) -> None:
    """One row for the run, one for each resource, with the same numbers that the program prints."""
    outcome = acme.sync()

    (run,) = acme.rows(RUNS)
    assert run["started_at"] < run["finished_at"]
    assert ("acme", outcome.run_id, "succeeded", None, __version__) == tuple(
        run[name] for name in ("account", "run_id", "outcome", "error", "version")
    )
    assert (None, None) == (run["window_from"], run["window_to"])
    options: dict[str, object] = {
        "only": None,
        "full": False,
        "accept_source": False,
        "retention_days": 20,
        "record_data": "keep",
        "users": "off",
    }
    options["resources"] = ["imports", "case-fields"]
    assert options == run["options"]
    ledger = {row["resource"]: row for row in acme.rows(RESOURCES_OF_RUN, outcome.run_id)}
    assert set(RESOURCES) == set(ledger)
    for resource, row in ledger.items():
        printed = outcome.to_json()["accounts"]["acme"][resource]
        assert printed == {name: row[name] for name in printed}
        assert row["complete"]
    requests = [ledger[resource]["requests"] for resource in RESOURCES]
    assert sum(requests) == outcome.to_json()["requests"]
    assert len(acme.sandbox.requests) == sum(requests) + 1  # the token's
    assert all(ledger[resource]["bytes"] > 0 for resource in ("imports", "import_records", "case_fields"))


def test_the_ledger_of_a_backfill(acme: Account) -> None:
    """Its window is on record, half-open and in UTC."""
    acme.sync(from_="2024-05-01", to="2024-05-01T12:00:00+02:00")

    window = ("2024-05-01 00:00:00+00:00", "2024-05-01 10:00:00+00:00")
    (run,) = acme.rows(RUNS)
    assert window == (str(run["window_from"]), str(run["window_to"]))


def test_the_ledger_of_a_failure(acme: Account) -> None:
    """The first error in one line; counts of what was tried."""
    acme.sandbox.faults.use("403,path=/cm/")
    outcome = acme.sync()

    (run,) = acme.rows(RUNS)
    assert ("partial", outcome.failures[0].message) == (run["outcome"], run["error"])
    ledger = {row["resource"]: row["complete"] for row in acme.rows(RESOURCES_OF_RUN, outcome.run_id)}
    assert dict.fromkeys(RESOURCES, True) | {"case_fields": False, "case_field_entries": False} == ledger


def test_the_ledger_counts_retries(acme: Account) -> None:
    """Requests are those that were sent, retries those among them that were repeated."""
    acme.changes["retry_seconds"] = 30
    acme.sandbox.faults.use(r"503,times=2,path=/users(\?|$)")
    outcome = acme.sync()

    (row,) = [row for row in acme.rows(RESOURCES_OF_RUN, outcome.run_id) if row["resource"] == "imports"]
    assert (5, 2) == (row["requests"], row["retries"])
    assert 0 == outcome.exit_code


def test_where_the_time_went(acme: Account) -> None:
    """Where the source is slow, the loader waits, and the ledger says the same as the program."""
    acme.sandbox.faults.use("slow=0.4,times=1,path=/records")
    acme.changes["concurrency"] = 1
    outcome = acme.sync()

    (row,) = [row for row in acme.rows(RESOURCES_OF_RUN, outcome.run_id) if row["resource"] == "import_records"]
    said = outcome.to_json()["traffic"]["acme"]["import_records"]
    assert 0.4 <= min(row["waiting_seconds"], row["fetch_seconds"])
    assert 0 < min(row["flatten_seconds"], row["load_seconds"], row["bytes"])
    assert said == {name: pytest.approx(row.get(name, said[name]), abs=0.001) for name in said}


def test_a_line_for_each_resource(acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The talk names account, resource and counts, in words that a machine can cut."""
    with caplog.at_level(logging.INFO, logger="etl"):
        acme.sync()

    assert list(RESOURCES) == [message.split()[1].removeprefix("resource=") for message in caplog.messages]
    assert all("inserted=" in message and "account=acme" in message for message in caplog.messages)
