"""The functions that show the warehouse as it was: each state from its first instant up to, not at, its last."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from etl.warehouse import tables
from tests.stored import DAY, HOUR, MORNING, add

INSTANT = timedelta(microseconds=1)
QUICK = 2.0  # seconds; 0.1 on two old cores


def as_of(connection: Connection, function: str, instant: datetime) -> Sequence[Any]:
    """The table as it was, in the order of its keys."""
    calls = {
        "imports": "SELECT * FROM talkdesk.imports_as_of(:instant) ORDER BY account, import_id",
        "case_fields": "SELECT * FROM talkdesk.case_fields_as_of(:instant) ORDER BY account, field_key",
        "case_field_entries": "SELECT * FROM talkdesk.case_field_entries_as_of(:instant) ORDER BY account, entry_id",
    }
    return connection.execute(text(calls[function]), {"instant": instant}).all()


def add_entry(connection: Connection, entry_id: str, label: str | None, **values: Any) -> None:
    """Afterwards the entry, whose id shows its path, has been there since the morning."""
    path = entry_id.split("/")
    entry = {
        "field_key": "f",
        "entry_id": entry_id,
        "key": path[-1],
        "label": label,
        "path": path,
        "parent_id": "/".join(path[:-1]) or None,
        "depth": len(path),
        "valid_from": MORNING,
    }
    add(connection, tables.case_field_entries_versions, **(entry | values))


def labels(connection: Connection, instant: datetime) -> dict[str, list[str | None]]:
    return {row.entry_id: row.labels for row in as_of(connection, "case_field_entries", instant)}


@pytest.mark.parametrize(
    ("expected", "instant"),
    [
        ([], MORNING - INSTANT),
        (["first"], MORNING),
        (["first"], MORNING + HOUR - INSTANT),
        (["second"], MORNING + HOUR),
        ([], MORNING + 2 * HOUR),
        (["third"], MORNING + 3 * HOUR),
        (["third"], MORNING + 1000 * DAY),
    ],
)
def test_states_follow_each_other(connection: Connection, expected: list[str], instant: datetime) -> None:
    """Half-open: at the instant of a change the new state shows, and nothing while a thing was removed."""
    states = (("first", 0, 1), ("second", 1, 2), ("third", 3, None))
    for name, since, until in states:
        valid = {"valid_from": MORNING + since * HOUR, "valid_to": until and MORNING + until * HOUR}
        add(connection, tables.imports_versions, import_id="i1", filename=name, **valid)
        add(connection, tables.case_fields_versions, field_key="f", name=name, **valid)
        add_entry(connection, "A", name, **valid)
    add(connection, tables.case_fields, field_key="f")

    assert expected == [row.filename for row in as_of(connection, "imports", instant)]
    assert expected == [row.name for row in as_of(connection, "case_fields", instant)]
    assert expected == [row.label for row in as_of(connection, "case_field_entries", instant)]


def test_columns_are_those_of_the_versions(connection: Connection) -> None:
    """Entries have their labels besides."""
    add(connection, tables.case_fields, field_key="f")
    add(connection, tables.imports_versions, import_id="i1", valid_from=MORNING)
    add(connection, tables.case_fields_versions, field_key="f", valid_from=MORNING)
    add_entry(connection, "A", "Apple")
    found = {name: set(as_of(connection, name, MORNING)[0]._fields) for name in ("imports", "case_fields")}
    (entry,) = as_of(connection, "case_field_entries", MORNING)

    assert set(tables.imports_versions.c.keys()) == found["imports"]
    assert set(tables.case_fields_versions.c.keys()) == found["case_fields"]
    assert {*tables.case_field_entries_versions.c.keys(), "labels"} == set(entry._fields)


def test_labels_are_those_of_the_time(connection: Connection) -> None:
    """Renaming a parent changes the labels of its children from that instant on."""
    add(connection, tables.case_fields, field_key="f")
    add_entry(connection, "A", "Apple", valid_to=MORNING + HOUR)
    add_entry(connection, "A", "Apfel", valid_from=MORNING + HOUR)
    add_entry(connection, "A/1", None)
    add_entry(connection, "A/1/x", "Green")

    assert {"A": ["Apple"], "A/1": ["Apple", None], "A/1/x": ["Apple", None, "Green"]} == labels(connection, MORNING)
    assert ["Apfel", None, "Green"] == labels(connection, MORNING + HOUR)["A/1/x"]


def test_an_entry_without_its_parent_is_shown(connection: Connection) -> None:
    """What stands above it is then unknown."""
    add(connection, tables.case_fields, field_key="f")
    add_entry(connection, "A/1", "One")
    add_entry(connection, "A/1/x", "Green")

    assert {"A/1": [None, "One"], "A/1/x": [None, "One", "Green"]} == labels(connection, MORNING)


def test_fields_and_accounts_have_trees_of_their_own(connection: Connection) -> None:
    """The same ids in another field or account are other entries."""
    for n, (account, field_key) in enumerate((("acme", "f"), ("acme", "g"), ("zenith", "f"))):
        add(connection, tables.case_fields, account=account, field_key=field_key, removed_at=MORNING)
        add_entry(connection, "A", f"label {n}", account=account, field_key=field_key)
        add_entry(connection, "A/1", "One", account=account, field_key=field_key)
    found = [row.labels[0] for row in as_of(connection, "case_field_entries", MORNING) if row.depth == 2]

    assert ["label 0", "label 1", "label 2"] == sorted(found)


def test_a_deep_tree(connection: Connection) -> None:
    """No depth is too much."""
    add(connection, tables.case_fields, field_key="f")
    for depth in range(1, 301):
        add_entry(connection, "/".join("x" * depth), str(depth))
    deepest = max(labels(connection, MORNING).values(), key=len)

    assert [str(depth) for depth in range(1, 301)] == deepest


# 100,000 versions: twenty states of five thousand things, one a day.
MANY = {
    "imports": """
        INSERT INTO talkdesk.imports_versions (account, import_id, valid_from, valid_to)
        SELECT 'acme', 'i' || i, since, lead(since) OVER (PARTITION BY i ORDER BY since)
        FROM generate_series(1, 5000) AS i, generate_series(CAST(:since AS timestamptz), :until, '1 day') AS since
    """,
    "case_fields": """
        INSERT INTO talkdesk.case_fields_versions (account, field_key, valid_from, valid_to)
        SELECT 'acme', 'f' || i, since, lead(since) OVER (PARTITION BY i ORDER BY since)
        FROM generate_series(1, 5000) AS i, generate_series(CAST(:since AS timestamptz), :until, '1 day') AS since
    """,
    "case_field_entries": """
        INSERT INTO talkdesk.case_field_entries_versions
            (account, field_key, entry_id, key, label, path, parent_id, depth, valid_from, valid_to)
        SELECT
            'acme', 'f', 'e' || i, i, 'label ' || i, '{}', CASE WHEN i > 50 THEN 'e' || 1 + i % 50 END,
            CASE WHEN i <= 50 THEN 1 ELSE 2 END, since, lead(since) OVER (PARTITION BY i ORDER BY since)
        FROM generate_series(1, 5000) AS i, generate_series(CAST(:since AS timestamptz), :until, '1 day') AS since
    """,
}


@pytest.mark.parametrize("name", MANY)
def test_a_long_history_is_searched_by_its_index(connection: Connection, name: str) -> None:
    """Among 100,000 versions those of an instant are found through the range index, quickly."""
    add(connection, tables.case_fields, field_key="f")
    connection.execute(text(MANY[name]), {"since": MORNING, "until": MORNING + 19 * DAY})
    connection.execute(text("ANALYZE talkdesk.imports_versions, talkdesk.case_fields_versions"))
    connection.execute(text("ANALYZE talkdesk.case_field_entries_versions"))
    before = scans(connection, name)
    began = time.monotonic()
    found = as_of(connection, name, MORNING + 5 * DAY + HOUR)
    took = time.monotonic() - began

    assert 5000 == len(found)
    assert 0 == scans(connection, name)["seq_scan"] - before["seq_scan"]
    assert took < QUICK


def scans(connection: Connection, name: str) -> dict[str, int]:
    """How often this transaction has read the versions from end to end, and through an index."""
    counted = text("SELECT * FROM pg_catalog.pg_stat_xact_user_tables WHERE relname = :name")
    row = connection.execute(counted, {"name": f"{name}_versions"}).mappings().one()
    return {kind: row[kind] for kind in ("seq_scan", "idx_scan")}


ACCOUNTS = {
    "imports": """
        INSERT INTO talkdesk.imports_versions (account, import_id, valid_from)
        SELECT 'account ' || a, 'i' || i, :since
        FROM generate_series(1, 40) AS a, generate_series(1, 500) AS i
    """,
    "case_fields": """
        INSERT INTO talkdesk.case_fields_versions (account, field_key, valid_from)
        SELECT 'account ' || a, 'f' || i, :since
        FROM generate_series(1, 40) AS a, generate_series(1, 500) AS i
    """,
    "case_field_entries": """
        INSERT INTO talkdesk.case_field_entries_versions
            (account, field_key, entry_id, key, label, path, depth, valid_from)
        SELECT 'account ' || a, 'f', 'e' || i, i, 'label ' || i, '{}', 1, :since
        FROM generate_series(1, 40) AS a, generate_series(1, 500) AS i
    """,
}
FIELDS = """
    INSERT INTO talkdesk.case_fields (account, field_key) SELECT 'account ' || a, 'f' FROM generate_series(1, 40) AS a
"""
OF_ONE = {
    "imports": "SELECT * FROM talkdesk.imports_as_of(:at, account => 'account 7')",
    "case_fields": "SELECT * FROM talkdesk.case_fields_as_of(:at, 'account 7')",
    "case_field_entries": "SELECT * FROM talkdesk.case_field_entries_as_of(instant => :at, account => 'account 7')",
}
OF_ALL = {
    "imports": "SELECT * FROM talkdesk.imports_as_of(:at)",
    "case_fields": "SELECT * FROM talkdesk.case_fields_as_of(:at)",
    "case_field_entries": "SELECT * FROM talkdesk.case_field_entries_as_of(:at)",
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_one_account_of_forty(connection: Connection, name: str) -> None:
    """Asked for an account, a function gives what it gives of all, and reads no more than that account."""
    connection.execute(text(FIELDS))
    connection.execute(text(ACCOUNTS[name]), {"since": MORNING})
    connection.execute(text("ANALYZE talkdesk.imports_versions, talkdesk.case_fields_versions"))
    connection.execute(text("ANALYZE talkdesk.case_field_entries_versions"))
    everything = connection.execute(text(OF_ALL[name]), {"at": MORNING}).all()
    expected = sorted(row[:3] for row in everything if row.account == "account 7")
    before = rows_read(connection, name)
    # A plan that suits every account would come with the sixth call.
    found = [connection.execute(text(OF_ONE[name]), {"at": MORNING}).all() for _ in range(7)]

    assert 500 == len(expected)
    assert expected == sorted(row[:3] for row in found[-1])
    assert 7 * 500 == rows_read(connection, name) - before


def rows_read(connection: Connection, name: str) -> int:
    """Rows of the versions that this transaction has looked at, however it found them."""
    counted = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_catalog.pg_stat_xact_user_tables WHERE relname = :name")
    return int(connection.execute(counted, {"name": f"{name}_versions"}).scalar_one())
