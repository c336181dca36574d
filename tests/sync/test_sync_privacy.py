"""What was kept of cells: columns that nobody has are said, and so is what other settings left."""

import logging
from typing import Any

import pytest
from pydantic import SecretStr

from etl.commands.summary import summary
from tests.account import Account

HASHED = "[0-9a-f]{64}"
CELLS = """
    SELECT c.key, bool_and(c.value ~ %s) AS hashed
    FROM talkdesk.import_records AS r, jsonb_each_text(r.data) AS c GROUP BY c.key
"""
FINISHED = "SELECT sum(records_loaded)::int FROM talkdesk.imports WHERE records_loaded_at IS NOT NULL"
"""What a sync does not read again by itself."""
LARGEST = """
    SELECT import_id, records_loaded FROM talkdesk.imports WHERE records_loaded_at IS NOT NULL
    ORDER BY records_loaded DESC LIMIT 1
"""


def settings(acme: Account, *columns: str, key: str = "one", **more: Any) -> None:
    """From now on these columns are hashed."""
    acme.changes |= {"hash_columns": columns, "hash_key": SecretStr(key), **more}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said since somebody asked last."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


@pytest.fixture
def people(acme: Account) -> Account:
    """An account with one import of two records."""
    for one in acme.world.imports():
        acme.world.forget(one.id)
    cells = {"Email": "ada@example.com", "Ring Groups": "agents", "Empty": ""}
    acme.world.put_import(
        {"id": "i1", "status": "COMPLETED"},
        [
            {"id": "r1", "status": "OK", "line": 2, "data": cells},
            {"id": "r2", "status": "FAILED", "Email": "bo", "errors": [{"code": "17", "message": "bo is taken"}]},
        ],
    )
    return acme


def test_all_cells_but_some(people: Account) -> None:
    """Beside the record's own keys and under `data`; an error that quotes one of them loses its text."""
    settings(people, "*", "!Ring Groups")
    people.sync()

    expected = {"Email": True, "Ring Groups": False, "Empty": True}
    assert expected == {row["key"]: row["hashed"] for row in people.rows(CELLS, HASHED)}
    own = people.rows("SELECT record_id, status, line FROM talkdesk.import_records ORDER BY 1")
    assert [("r1", "OK", 2), ("r2", "FAILED", None)] == [tuple(row.values()) for row in own]
    assert [("17", None)] == [
        tuple(row.values()) for row in people.rows("SELECT code, message FROM talkdesk.import_record_errors")
    ]


def test_columns_that_no_record_has(people: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Each is named once, also an exception; what a record has is not; a run that loads nothing has nothing to say."""
    settings(people, "*", "!Ring Grups", "Emial", "Email")
    people.sync()
    told = "account=acme TALKDESK_HASH_COLUMNS: no record just loaded has a column 'Emial', 'Ring Grups'"
    (said,) = warnings(caplog)
    assert said.startswith(told)

    people.sync()
    assert [] == warnings(caplog)
    settings(people, "Email", "id")
    people.sync(full=True)
    assert [] == warnings(caplog)


def test_a_column_that_one_import_calls_otherwise(people: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Though others have it: the vendor renames headers, and the cells would pass as they are."""
    people.world.put_import({"id": "i2", "status": "COMPLETED"}, [{"id": "r1", "data": {"E-mail Address": "cy@x.org"}}])
    people.world.put_import({"id": "i3", "status": "COMPLETED"}, [{"id": "r1", "data": {"Current Email": "cy@x.org"}}])
    settings(people, "Email")
    people.sync()
    (said,) = warnings(caplog)
    assert "1 import(s) just loaded have no column 'Email'" in said
    assert "first i2" in said


def test_what_other_settings_left(synced: Account, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and said until a --full has replaced it, of which nobody expects what the source has forgotten."""
    number = synced.value(FINISHED)
    gone = synced.rows(LARGEST)[0]
    lost = gone["records_loaded"]
    for change in ({"columns": ("Email",)}, {"columns": ("Email",), "key": "two"}, {"columns": ("*",), "key": "two"}):
        settings(synced, *change["columns"], key=str(change.get("key", "one")))
        outcome = synced.sync()
        told = f"{number} records were stored under other privacy settings or another key than now: "
        assert [f"account=acme {told}sync --full replaces {number}"] == warnings(caplog)
        assert told in summary(outcome)
        assert {"acme": {"records": number, "gone": 0}} == outcome.to_json()["stored_otherwise"]
        assert [] == synced.sync(full=True).failures
        assert [] == warnings(caplog)

    synced.world.forget(gone["import_id"])
    settings(synced, record_data="drop")
    outcome = synced.sync(full=True)
    assert [] == warnings(caplog)
    assert f"than now: {lost} the source has forgotten" in summary(outcome)


def test_the_noted_settings_tell_nothing_of_the_key(people: Account) -> None:
    """Not even that two accounts have the same, but by the same columns."""
    noted = "SELECT DISTINCT records_privacy FROM talkdesk.imports WHERE import_id = 'i1'"
    people.sync()
    assert ["keep"] == people.column(noted)
    settings(people, "Email", key="planted-key")
    people.sync(full=True)
    (found,) = people.column(noted)
    assert found.startswith("keep ")
    assert "planted" not in found
    assert len("keep ") + 16 == len(found)


def test_records_of_before_are_not_known(synced: Account, caplog: pytest.LogCaptureFixture) -> None:
    """A warehouse of an older version says so where something is to be protected, and only there."""
    synced.change("UPDATE talkdesk.imports SET records_privacy = NULL")
    assert {} == synced.sync().to_json()["stored_otherwise"]
    settings(synced, "Email")
    assert synced.value(FINISHED) == synced.sync().to_json()["stored_otherwise"]["acme"]["records"]
    assert 1 == len(warnings(caplog))
