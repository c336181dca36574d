"""Runs that are old leave the ledger, and the views answer as before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text

from etl.warehouse import ledger, tables
from etl.warehouse.ledger import OF_ALL
from tests.stored import ACCOUNT, DAY, HOUR, add, add_run, now

KEEP = timedelta(days=400)
GAPS = text("SELECT * FROM talkdesk.coverage_gaps ORDER BY account, gap_from, gap_to")
HEALTH = text("SELECT * FROM talkdesk.sync_health ORDER BY account, resource")
LEDGER = (tables.sync_runs, tables.sync_run_resources, tables.coverage_folded)

Rows = list[tuple[Any, ...]]


def answers(connection: Connection) -> tuple[Rows, Rows]:
    """What the views say of the ledger."""
    return [tuple(row) for row in connection.execute(GAPS)], [tuple(row) for row in connection.execute(HEALTH)]


def counts(connection: Connection) -> list[int]:
    """Rows of the ledger's tables."""
    return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in LEDGER]


def fold(connection: Connection, keep: timedelta = KEEP) -> None:
    ledger.fold_runs(connection, ACCOUNT, keep)


def add_hourly(connection: Connection, since: timedelta, until: timedelta) -> None:
    """Afterwards the account has read everything each hour, from so long ago until so long ago."""
    count = (since - until) // HOUR
    for n in range(count):
        add_run(connection, f"hour {since.days} {n}", *OF_ALL, ago=since - n * HOUR, took=HOUR / 60)


def test_a_long_ledger(connection: Connection) -> None:
    """Of runs without a gap only the last old listing stays; of a gap its two ends."""
    add_hourly(connection, 450 * DAY, 448 * DAY)
    add_hourly(connection, 420 * DAY, 418 * DAY)
    add_hourly(connection, 399 * DAY, 398 * DAY)
    add_run(connection, "last", *OF_ALL, ago=HOUR)
    before = answers(connection)
    fold(connection)

    assert before == answers(connection)
    assert 2 == len(before[0])
    assert [1 + 24 + 1, 1 + 4 * 25, 2] == counts(connection)


def test_folding_again_changes_nothing(connection: Connection) -> None:
    add_hourly(connection, 450 * DAY, 448 * DAY)
    add_run(connection, "last", *OF_ALL, ago=HOUR)
    fold(connection)
    before = everything(connection)
    fold(connection)

    assert before == everything(connection)


def everything(connection: Connection) -> list[str]:
    """Every row of the ledger with its place: an update would move it."""
    return [
        str(row)
        for table in LEDGER
        for row in connection.execute(select(text("ctid::text, xmax::text"), *table.c).order_by(*table.primary_key))
    ]


def test_young_runs_are_left_alone(connection: Connection) -> None:
    add_run(connection, "r1", *OF_ALL, ago=399 * DAY)
    add_run(connection, "r2", *OF_ALL, ago=300 * DAY)
    before = everything(connection)
    fold(connection)

    assert before == everything(connection)


def test_a_resource_that_is_read_no_more(connection: Connection) -> None:
    """What tells when it was read last stays, and is no listing that a gap could begin with."""
    add_run(connection, "all", *OF_ALL, ago=500 * DAY)
    for n in range(50):
        add_run(connection, f"imports {n:02}", "imports", ago=490 * DAY - n * 10 * HOUR)
    add_run(connection, "last", "imports", ago=HOUR)
    before = answers(connection)
    fold(connection)

    assert before == answers(connection)
    assert [3, 5, 2] == counts(connection)


def test_an_account_that_was_silent_for_long(connection: Connection) -> None:
    """It says when it was synced last, until it is synced again and that has become old."""
    add_run(connection, "last", *OF_ALL, ago=900 * DAY)
    before = answers(connection)
    fold(connection)

    assert before == answers(connection)


def test_retention_may_change_afterwards(connection: Connection) -> None:
    """A gap under a shorter retention is still told of runs that have left."""
    for n, ago in enumerate((450, 447, 444, 420)):
        add_run(connection, f"r{n}", "imports", ago=ago * DAY)
    add_run(connection, "last", "imports", ago=HOUR, options={"retention_days": 2})
    before = answers(connection)
    fold(connection)

    assert before == answers(connection)
    assert 4 == len(before[0])


def test_other_accounts_are_left_alone(connection: Connection) -> None:
    add_run(connection, "r1", *OF_ALL, ago=500 * DAY, account="zenith")
    add_run(connection, "r2", *OF_ALL, ago=450 * DAY, account="zenith")
    fold(connection)

    assert [2, 8, 0] == counts(connection)


RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "hours": st.one_of(st.integers(1, 60), st.integers(300, 800)),
            "took": st.integers(0, 30),
            "outcome": st.sampled_from(["succeeded", "succeeded", "partial", "failed", "died", "interrupted"]),
            "is_window": st.sampled_from([False, False, False, True]),
            "complete": st.sets(st.sampled_from(OF_ALL)),
            "retention": st.sampled_from([1, 7, 20, 20]),
        }
    ),
    max_size=40,
)


def add_runs(connection: Connection, runs: Sequence[dict[str, Any]]) -> None:
    """Afterwards the runs are on record, one after the other, the last of them just now."""
    ago = sum(run["hours"] + run["took"] for run in runs) * HOUR
    for n, run in enumerate(runs):
        ago -= run["hours"] * HOUR
        took = run["took"] * HOUR
        window = {"window_from": now(connection)} if run["is_window"] else {}
        values = {"outcome": run["outcome"], "options": {"retention_days": run["retention"]}, **window}
        add_run(connection, f"r{n}", ago=ago, took=took, **values)
        for resource in OF_ALL:
            line = {"run_id": f"r{n}", "resource": resource, "complete": resource in run["complete"]}
            add(connection, tables.sync_run_resources, **line, seconds=took.total_seconds() / 2)
        ago -= took


def gaps_by_hand(connection: Connection, runs: Sequence[dict[str, Any]]) -> Rows:
    """Each complete listing compared with the next."""
    if not runs:
        return []
    kept = timedelta(days=runs[-1]["retention"])
    at = now(connection)
    ago = sum(run["hours"] + run["took"] for run in runs) * HOUR
    listings: list[tuple[datetime, datetime]] = []
    for run in runs:
        ago -= run["hours"] * HOUR
        took = run["took"] * HOUR
        if "imports" in run["complete"] and not run["is_window"]:
            listings.append((at - ago, at - ago + (took / 2 if run["outcome"] == "died" else took)))
        ago -= took
    ends = [ended for _, ended in listings[1:]] + [at]
    pairs = zip(listings, ends, strict=False)
    return [(ACCOUNT, began, ended - kept) for (began, _), ended in pairs if ended - kept > began]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])  # rolled back in the test
@given(runs=RUNS, keeps=st.lists(st.integers(1, 500), min_size=1, max_size=3))
def test_the_answers_are_the_same(connection: Connection, runs: list[dict[str, Any]], keeps: list[int]) -> None:
    """Whatever ran when, and however often it is folded: right before, and the same afterwards."""
    with connection.begin_nested() as savepoint:
        add_runs(connection, runs)
        before = answers(connection)
        assert gaps_by_hand(connection, runs) == before[0]
        for keep in keeps:
            fold(connection, keep * DAY)
            assert before == answers(connection)
        savepoint.rollback()


@pytest.mark.parametrize("keep", [1, 400])
def test_nothing_that_is_needed_no_more_stays(connection: Connection, keep: int) -> None:
    """Once newer runs are old, too, nothing is left of the oldest but the gap."""
    add_hourly(connection, 600 * DAY, 599 * DAY)
    add_hourly(connection, 500 * DAY, 499 * DAY)
    add_run(connection, "last", *OF_ALL, ago=HOUR)
    fold(connection, 510 * DAY)
    fold(connection, keep * DAY)

    assert [2, 4 + 1, 2] == counts(connection)
