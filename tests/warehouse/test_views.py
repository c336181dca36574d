"""The views: what people ask of the warehouse, answered from rows whose meaning is known."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, RowMapping, select, table, text

from etl.warehouse import tables
from tests.stored import ACCOUNT, DAY, HOUR, MORNING, add, add_run, now

pytestmark = pytest.mark.every_server

FIVE_MINUTES = timedelta(minutes=5)


def view(connection: Connection, name: str) -> list[RowMapping]:
    """All rows of a view, in the order of their first columns."""
    found = select(text("*")).select_from(table(name, schema=tables.SCHEMA)).order_by(text("1, 2, 3"))
    return list(connection.execute(found).mappings())


def add_import(connection: Connection, import_id: str = "i1", **values: Any) -> None:
    add(connection, tables.imports, import_id=import_id, **values)


def add_versions(connection: Connection, *states: str, step: timedelta = HOUR) -> None:
    """Afterwards the import was in each state for one step, the last one still."""
    for n, status in enumerate(states):
        ends = MORNING + (n + 1) * step if n + 1 < len(states) else None
        begins = MORNING + n * step
        add(connection, tables.imports_versions, import_id="i1", status=status, valid_from=begins, valid_to=ends)


def history(connection: Connection) -> RowMapping:
    (row,) = view(connection, "import_history")
    return row


# How imports went


@pytest.mark.parametrize(
    ("expected", "values"),
    [
        (FIVE_MINUTES, {"status": "COMPLETED", "updated_at": MORNING + FIVE_MINUTES}),
        (FIVE_MINUTES, {"status": "FAILED", "updated_at": MORNING + FIVE_MINUTES, "canceled_at": MORNING + HOUR}),
        (FIVE_MINUTES, {"status": "CANCELED", "updated_at": MORNING + HOUR, "canceled_at": MORNING + FIVE_MINUTES}),
        (HOUR, {"status": "CANCELED", "updated_at": MORNING + HOUR}),
        (None, {"status": "COMPLETED", "updated_at": MORNING}),
        (None, {"status": "COMPLETED"}),
        (None, {"status": "IN_PROGRESS", "updated_at": MORNING + FIVE_MINUTES}),
        (None, {"status": None, "updated_at": MORNING + FIVE_MINUTES}),
    ],
)
def test_duration_by_the_source(connection: Connection, expected: timedelta | None, values: dict[str, Any]) -> None:
    """A finished import took from its submission to its last change, if the source tells two instants."""
    add_import(connection, created_at=MORNING, **values)

    assert expected == history(connection)["duration"]


@pytest.mark.parametrize(
    ("expected", "states"),
    [
        (2 * HOUR, ("QUEUED", "IN_PROGRESS", "COMPLETED")),
        (HOUR, ("IN_PROGRESS", "COMPLETED", "COMPLETED_WITH_ERRORS")),
        (None, ("COMPLETED",)),
        (None, ("COMPLETED", "IN_PROGRESS")),
    ],
)
def test_duration_by_the_versions(connection: Connection, expected: timedelta | None, states: tuple[str, ...]) -> None:
    """Where the source's instants are equal, the syncs that saw it running and finished tell."""
    add_import(connection, created_at=MORNING, updated_at=MORNING, status="COMPLETED")
    add_versions(connection, *states)

    assert expected == history(connection)["duration"]


def test_duration_without_a_submission(connection: Connection) -> None:
    """An import without created_at began when it was first seen running."""
    add_import(connection, updated_at=MORNING + 3 * HOUR, status="COMPLETED")
    add_versions(connection, "QUEUED", "COMPLETED")

    assert 3 * HOUR == history(connection)["duration"]


@pytest.mark.parametrize(
    ("expected", "completed", "failed"),
    [
        (Decimal("0.9"), 9, 1),
        (0, None, 3),
        (1, 3, None),
        (None, None, None),
        (None, 0, 0),
        (0, -5, 5),
        (Decimal("0.5"), 2**63 - 1, 2**63 - 1),
    ],
)
def test_success_rate(connection: Connection, expected: Any, completed: int | None, failed: int | None) -> None:
    """Completed of completed and failed, between 0 and 1, also for numbers that make no sense."""
    add_import(connection, created_at=MORNING, completed_records=completed, failed_records=failed)
    (day,) = view(connection, "import_daily")

    assert expected == history(connection)["success_rate"]
    assert expected == day["success_rate"]


@pytest.mark.parametrize(
    ("expected", "total"), [(3, 5), (0, 2), (0, 1), (None, None), (0, -(2**63)), (2**63 - 3, 2**63 - 1)]
)
def test_records_missing(connection: Connection, expected: int | None, total: int | None) -> None:
    """Lines of the file that are not here, never below zero; unknown if the source tells no total."""
    add_import(connection, total_records=total, records_loaded=2)

    assert 2 == history(connection)["records_loaded"]
    assert expected == history(connection)["records_missing"]


def test_nothing_loaded_is_all_missing(connection: Connection) -> None:
    """Before the records came, none of them is here, and that is what is said."""
    add_import(connection, total_records=5)

    assert 0 == history(connection)["records_loaded"]
    assert 5 == history(connection)["records_missing"]


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        *((True, word) for word in ("COMPLETED", "COMPLETED_WITH_ERRORS", "SUCCESSFUL", "CANCELED", "FAILED")),
        *((False, word) for word in ("QUEUED", "IN_PROGRESS", "PAUSED", None)),
    ],
)
def test_is_terminal(connection: Connection, expected: bool, status: str | None) -> None:  # noqa: FBT001 - expected
    """A status of tomorrow counts as one that may still change."""
    add_import(connection, status=status)

    assert expected is history(connection)["is_terminal"]


def test_is_expired(connection: Connection) -> None:
    """An import that the source forgot stays, and says so."""
    add_import(connection, "i1", expired_at=MORNING)
    add_import(connection, "i2")

    assert [True, False] == [row["is_expired"] for row in view(connection, "import_history")]


def test_accounts_are_kept_apart(connection: Connection) -> None:
    """Two accounts may use the same ids."""
    for account, count in (("acme", 1), ("zenith", 2)):
        add_import(connection, account=account, total_records=2, records_loaded=count)

    assert [1, 0] == [row["records_missing"] for row in view(connection, "import_history")]


# What went wrong, day by day, and what labels mean


def test_errors_beside_record_and_import(connection: Connection) -> None:
    """One row shows what went wrong, in which line, of which file."""
    add_import(connection, filename="users.csv", type="CREATE_USERS", status="COMPLETED_WITH_ERRORS")
    of_record = {"import_id": "i1", "record_key": "line:7"}
    add(connection, tables.import_records, **of_record, line=7, position=6, status="FAILED", data={"Email": "x"})
    add(connection, tables.import_record_errors, **of_record, error_no=0, code="E1", message="invalid", field="Email")
    (row,) = view(connection, "import_errors")

    expected = {
        "code": "E1",
        "message": "invalid",
        "field": "Email",
        "line": 7,
        "record_status": "FAILED",
        "data": {"Email": "x"},
        "filename": "users.csv",
        "import_status": "COMPLETED_WITH_ERRORS",
    }
    assert expected == {name: row[name] for name in expected}


def test_an_error_alone_is_shown(connection: Connection) -> None:
    """An error whose record somebody deleted is not lost."""
    add(connection, tables.import_record_errors, import_id="i1", record_key="line:7", error_no=0, message="invalid")

    assert ["invalid"] == [row["message"] for row in view(connection, "import_errors")]


def test_days_are_utc_days(connection: Connection) -> None:
    """The session's time zone does not move an import to another day."""
    connection.execute(text("SET LOCAL timezone = 'Pacific/Auckland'"))
    for n, created_at in enumerate((MORNING, MORNING + 13 * HOUR, MORNING + 14 * HOUR, None)):
        numbers = {"total_records": 10, "completed_records": 9, "failed_records": 1}
        add_import(connection, f"i{n}", type="CREATE_USERS", created_at=created_at, **numbers)
    found = [(row["day"], row["imports"], row["total_records"]) for row in view(connection, "import_daily")]

    assert [(date(2024, 3, 1), 2, 20), (date(2024, 3, 2), 1, 10), (None, 1, 10)] == found


def test_label_paths(connection: Connection) -> None:
    """Labels joined from the root, the key where there is no label; removed entries are not shown."""
    add(connection, tables.case_fields, field_key="f", name="Product")
    for entry_id, path, labels, removed_at in (
        ("1", ["H"], ["Hardware"], None),
        ("2", ["H", "L"], ["Hardware", None], None),
        ("3", ["H", "L", "13"], ["Hardware", None, "13 inch"], None),
        ("4", ["S"], ["Software"], MORNING),
    ):
        add(
            connection,
            tables.case_field_entries,
            field_key="f",
            entry_id=entry_id,
            key=path[-1],
            label=labels[-1],
            path=path,
            labels=labels,
            depth=len(path),
            position=0,
            is_leaf=False,
            removed_at=removed_at,
        )
    found = [(row["field_name"], row["label_path"]) for row in view(connection, "case_field_paths")]

    assert [("Product", path) for path in ("Hardware", "Hardware > L", "Hardware > L > 13 inch")] == sorted(found)


# How far the copy can be trusted


def health(connection: Connection, resource: str = "imports") -> RowMapping:
    (row,) = [row for row in view(connection, "sync_health") if row["resource"] == resource]
    return row


def test_every_resource_of_every_account_is_shown(connection: Connection) -> None:
    """Also accounts without a run, and resources that were never synced."""
    add_run(connection, "r1", ago=DAY)
    add(connection, tables.imports, account="beta", import_id="i1")
    add(connection, tables.case_fields, account="gamma", field_key="f")
    accounts = [row["account"] for row in view(connection, "sync_health")]

    assert ["acme"] * 4 + ["beta"] * 4 + ["gamma"] * 4 == accounts


def test_the_last_good_sync(connection: Connection) -> None:
    """Failed runs, incomplete reads and backfills do not count; a partial run does."""
    add_run(connection, "good", "imports", ago=5 * DAY)
    add_run(connection, "partial", "imports", ago=4 * DAY, outcome="partial")
    add_run(connection, "failed", "imports", ago=3 * DAY, outcome="failed")
    add_run(connection, "incomplete", ago=2 * DAY)
    add_run(connection, "backfill", "imports", ago=DAY, window_from=MORNING)

    assert now(connection) - 4 * DAY + HOUR == health(connection)["last_success_at"]
    assert 4 * DAY - HOUR == health(connection)["age"]
    assert health(connection, "case_fields")["last_success_at"] is None


def test_rows_are_those_that_are_there(connection: Connection) -> None:
    """Expired imports stay rows; removed case fields do not."""
    add_import(connection, "i1", expired_at=MORNING, records_loaded=3)
    add_import(connection, "i2", records_loaded=4)
    add(connection, tables.case_fields, field_key="f1")
    add(connection, tables.case_fields, field_key="f2", removed_at=MORNING)

    assert 2 == health(connection)["rows"]
    assert 7 == health(connection, "import_records")["rows"]
    assert 1 == health(connection, "case_fields")["rows"]
    assert 0 == health(connection, "case_field_entries")["rows"]


def test_only_standing_rejections_count(connection: Connection) -> None:
    """What the newest complete read did not meet is gone; of records, which are read once, all stand."""
    add_run(connection, "r1", "imports", "import_records", ago=2 * DAY)
    add_run(connection, "r2", ago=HOUR)
    for n, (resource, ago) in enumerate(
        (("imports", 3 * DAY), ("imports", DAY), ("import_records", 3 * DAY), ("case_fields", 9 * DAY))
    ):
        seen = {"rejected_at": now(connection) - ago, "last_seen_at": now(connection) - ago}
        item = {"item_id": str(n), "run_id": "r1", "item": "{}", "reason": "no id", "resource": resource}
        add(connection, tables.rejected_items, **item, **seen)

    assert 1 == health(connection)["rejected"]
    assert 1 == health(connection, "import_records")["rejected"]
    assert 1 == health(connection, "case_fields")["rejected"]


def test_hours_until_loss(connection: Connection) -> None:
    """Counted from the start of the newest complete listing, by the retention of the newest run."""
    add_run(connection, "r1", "imports", ago=5 * DAY, options={"retention_days": 1})
    add_run(connection, "r2", "imports", ago=2 * DAY, options={})

    assert 18 * 24 == health(connection)["hours_until_loss"]
    assert 18 * 24 == health(connection, "import_records")["hours_until_loss"]
    assert health(connection, "case_fields")["hours_until_loss"] is None
    assert health(connection, "case_field_entries")["hours_until_loss"] is None

    add_run(connection, "r3", ago=HOUR, options={"retention_days": 1.5})

    assert -12 == health(connection)["hours_until_loss"]


def test_records_are_lost_with_their_import(connection: Connection) -> None:
    """An import whose records are not in makes it urgent; one that expired is past help."""
    add_run(connection, "r1", "imports", ago=2 * DAY)
    for name, ago, values in (
        ("pending", 15, {}),
        ("loaded", 18, {"records_loaded_at": MORNING}),
        ("expired", 25, {"expired_at": MORNING}),
    ):
        add_import(connection, name, created_at=now(connection) - ago * DAY, **values)

    assert 18 * 24 == health(connection)["hours_until_loss"]
    assert 5 * 24 == health(connection, "import_records")["hours_until_loss"]


def test_nothing_is_promised_before_the_first_listing(connection: Connection) -> None:
    """Without a complete listing there is nothing to count from."""
    add_run(connection, "r1", ago=DAY)

    assert health(connection)["hours_until_loss"] is None


# What may have been missed


def gaps(connection: Connection) -> list[tuple[timedelta, timedelta]]:
    """How long ago each gap began and ended."""
    at = now(connection)
    return [(at - row["gap_from"], at - row["gap_to"]) for row in view(connection, "coverage_gaps")]


@pytest.mark.parametrize(("expected", "took"), [([], 0 * HOUR), ([(39 * DAY, 39 * DAY - HOUR)], HOUR)])
def test_twenty_days_are_just_covered(
    connection: Connection, expected: list[tuple[timedelta, timedelta]], took: timedelta
) -> None:
    """They lie between the start of a listing and the end of the next one."""
    add_run(connection, "r1", "imports", ago=39 * DAY)
    add_run(connection, "r2", "imports", ago=19 * DAY, took=took)

    assert expected == gaps(connection)


def test_a_gap_between_listings(connection: Connection) -> None:
    """Neither listing shows what was submitted after the one began and forgotten before the other ended."""
    add_run(connection, "r1", "imports", ago=50 * DAY)
    add_run(connection, "failed", ago=30 * DAY)
    add_run(connection, "backfill", "imports", ago=25 * DAY, window_to=MORNING)
    add_run(connection, "r2", "imports", ago=10 * DAY)

    assert [(50 * DAY, 30 * DAY - HOUR)] == gaps(connection)


def test_an_open_gap(connection: Connection) -> None:
    """After the last listing a gap grows as time passes."""
    add_run(connection, "r1", "imports", ago=30 * DAY)
    add_run(connection, "failed", ago=HOUR, outcome="failed")

    assert [(30 * DAY, 20 * DAY)] == gaps(connection)


def test_retention_is_a_setting(connection: Connection) -> None:
    """A source that forgets sooner leaves more gaps."""
    add_run(connection, "r1", "imports", ago=30 * DAY)
    add_run(connection, "r2", "imports", ago=20 * DAY, options={"retention_days": 7})

    assert [(30 * DAY, 27 * DAY - HOUR), (20 * DAY, 7 * DAY)] == gaps(connection)


def test_a_run_that_died_listed_at_its_beginning(connection: Connection) -> None:
    """The run after it closed it weeks later, which says nothing of its listing."""
    add_run(connection, "r1", "imports", ago=41 * DAY)
    add_run(connection, "died", "imports", ago=30 * DAY, outcome="died", took=29 * DAY)
    add_run(connection, "r2", "imports", ago=11 * DAY)

    assert [] == gaps(connection)


def test_gaps_of_accounts_are_their_own(connection: Connection) -> None:
    """Another account's listing covers nothing."""
    add_run(connection, "r1", "imports", ago=30 * DAY)
    add_run(connection, "r1", "imports", ago=HOUR, account="zenith")

    assert [ACCOUNT] == [row["account"] for row in view(connection, "coverage_gaps")]


def test_freshness(connection: Connection) -> None:
    """By resource the newest run that read it whole, by account the newest run, whatever became of it."""
    add_run(connection, "good", "imports", "case_fields", ago=5 * DAY)
    add_run(connection, "partial", "imports", ago=4 * DAY, outcome="partial")
    add_run(connection, "failed", "imports", ago=3 * DAY, outcome="failed", options={"resources": ["imports"]})
    add_run(connection, "of another", ago=HOUR, account="zenith", outcome="running", finished_at=None)
    asked = text("SELECT * FROM talkdesk.freshness ORDER BY account, resource")
    found = [tuple(row) for row in connection.execute(asked)]

    begun = now(connection) - 3 * DAY
    assert [
        ("acme", "import_records", None, begun, "failed"),
        ("acme", "imports", now(connection) - 4 * DAY + HOUR, begun, "failed"),
    ] == found[:2]
    assert [("zenith", None, now(connection) - HOUR, "running")] * 4 == [(row[0], *row[2:]) for row in found[2:]]


def test_where_the_records_came_from(connection: Connection) -> None:
    """The view of imports has every column that the contract gives the table."""
    add_import(connection, records_source="errors_file", record_columns=["Email", "Name"])

    row = history(connection)
    assert ("errors_file", ["Email", "Name"]) == (row["records_source"], row["record_columns"])
    assert {column.name for column in tables.imports.c} - {"records_privacy", "users_read_at"} <= row.keys()
