"""What the source can no longer be asked for: a deep verification holds it against its own history."""

# ruff: noqa: S608 - the statements are made of this file's own constants

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from etl.sandbox.faults.answers import answer, meanwhile
from etl.sandbox.faults.rules import FIELDS, IMPORTS
from etl.warehouse import tables
from tests.account import IMPORT, Account, running
from tests.verify.test_verify import found, verify

FORGOTTEN = "import_id = (SELECT min(import_id) FROM talkdesk.imports WHERE expired_at IS NOT NULL)"
REMOVED = "field_key = (SELECT min(field_key) FROM talkdesk.case_fields WHERE removed_at IS NOT NULL)"
SEEN_OFTEN = "import_id = (SELECT min(import_id) FROM talkdesk.imports_versions WHERE valid_to IS NOT NULL)"
RENAMED = """(account, field_key, entry_id) IN (
    SELECT account, field_key, entry_id FROM talkdesk.case_field_entries_versions
    GROUP BY account, field_key, entry_id HAVING count(*) > 1)"""
WITH_RECORDS = """import_id = (
    SELECT min(i.import_id) FROM talkdesk.imports AS i JOIN talkdesk.import_records AS r USING (account, import_id)
    WHERE i.expired_at IS NOT NULL)"""
CLOCKS = (
    *("first_seen_at", "last_changed_at", "records_loaded_at", "expired_at", "removed_at"),
    *("valid_from", "valid_to", "started_at", "finished_at"),
)
CLOSED = f"valid_to IS NOT NULL AND {SEEN_OFTEN}"
GHOST = "INSERT INTO talkdesk.{} VALUES ('acme', 'ghost', {})"


@pytest.fixture
def account(database_url: str) -> Iterator[Account]:
    """An account with a past: forgotten imports, a removed field, renamed options, imports that came to their end."""
    with running(database_url, imports=10, records=6) as account:
        account.sync()
        for bulk_import in account.world.imports():
            if bulk_import.item["status"] in {"QUEUED", "IN_PROGRESS"}:
                account.world.finish_import(bulk_import.id)
        account.world.rename_entry("drop_down1", ["001"], "Renamed")
        account.world.remove_field("drop_down3")
        account.world.advance(timedelta(days=6))
        account.sync(full=True)
        account.sync()
        assert account.value("SELECT count(*) FROM talkdesk.imports WHERE expired_at IS NOT NULL")
        yield account


def test_a_past_is_level(account: Account) -> None:
    """Nothing of it is taken for damage."""
    assert set() == found(account, deep=True)


DAMAGES = [
    (f"UPDATE talkdesk.imports SET filename = 'x' WHERE {FORGOTTEN}", "imports", "filename", "different"),
    (f"UPDATE talkdesk.imports_versions SET status = 'x' WHERE {FORGOTTEN}", "imports", "status", "different"),
    (f"UPDATE talkdesk.imports_versions SET valid_to = now() WHERE {FORGOTTEN}", "imports", "valid_to", "different"),
    (f"DELETE FROM talkdesk.imports_versions WHERE {FORGOTTEN}", "imports", "valid_from", "different"),
    (f"DELETE FROM talkdesk.imports WHERE {FORGOTTEN}", "imports", None, "missing"),
    (
        f"DELETE FROM talkdesk.import_records WHERE position = 0 AND {WITH_RECORDS}",
        "imports",
        "records_loaded",
        "different",
    ),
    (f"UPDATE talkdesk.case_fields SET name = 'x' WHERE {REMOVED}", "case_fields", "name", "different"),
    (f"UPDATE talkdesk.case_field_entries SET label = 'x' WHERE {REMOVED}", "case_field_entries", "label", "different"),
    (f"DELETE FROM talkdesk.case_fields WHERE {REMOVED}", "case_fields", None, "missing"),
    (
        f"UPDATE talkdesk.imports_versions SET valid_to = valid_to - interval '1 us' WHERE {CLOSED}",
        "imports",
        "valid_to",
        "different",
    ),
    (
        f"UPDATE talkdesk.imports_versions SET valid_to = valid_to + interval '1 us' WHERE {CLOSED}",
        "imports",
        "valid_to",
        "different",
    ),
    (
        f"DELETE FROM talkdesk.imports_versions WHERE {CLOSED}",
        "imports",
        "valid_from",
        "different",
    ),
    (
        "UPDATE talkdesk.case_field_entries_versions SET valid_to = valid_to + interval '1 us'"
        " WHERE valid_to IS NOT NULL AND " + RENAMED,
        "case_field_entries",
        "valid_to",
        "different",
    ),
    (
        f"DELETE FROM talkdesk.case_field_entries_versions WHERE valid_to IS NOT NULL AND {RENAMED}",
        "case_field_entries",
        "valid_from",
        "different",
    ),
    (GHOST.format("import_records", "'k', NULL, NULL, 0, NULL, '{}'"), "import_records", None, "extra"),
    (GHOST.format("import_record_errors", "'k', 0"), "import_records", None, "extra"),
    (
        GHOST.format("case_field_entries", "'e', 'k', 'l', '{k}', '{l}', NULL, 1, 0, true"),
        "case_field_entries",
        None,
        "extra",
    ),
]


@pytest.mark.parametrize(("damage", "resource", "column", "kind"), DAMAGES, ids=range(len(DAMAGES)))
def test_damage(account: Account, damage: str, resource: str, column: str | None, kind: str) -> None:
    """It is named by resource, thing and column; a plain verification does not look there."""
    account.change(damage)
    differences = found(account, deep=True)

    assert {(resource, column, kind)} <= {(each[0], *each[3:]) for each in differences}
    assert 1 == len({each[1] for each in differences})


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("shift", ["2 days", "-3 hours", "400 days"])
def test_a_clock_that_was_wrong_is_no_damage(account: Account, shift: str, deep: bool) -> None:  # noqa: FBT001
    """A new import has moved, whatever our clock said when the others were stored; what is damaged is damaged."""
    for table in tables.metadata.sorted_tables:
        ours = [f"{name} = {name} + interval '{shift}'" for name in CLOCKS if name in table.c]
        account.command(f"UPDATE talkdesk.{table.name} SET {', '.join(ours)}" if ours else "SELECT")
    new = account.world.add_import()
    account.change("UPDATE talkdesk.case_fields SET name = 'x' WHERE field_key = 'drop_down1'")

    assert {(new, "moved"), ("drop_down1", "different")} == {(each[1], each[-1]) for each in found(account, deep=deep)}


@pytest.mark.parametrize("deep", [False, True])
def test_a_sync_in_between_is_no_damage(account: Account, deep: bool) -> None:  # noqa: FBT001 - a parameter
    """Records that a sync has brought since they were read are read once more."""
    import_id = account.world.imports()[-1].id
    records = list(account.world.find_import(import_id).records)

    def put_right_and_sync(_: object) -> None:
        account.sandbox.faults.clear()
        with account.world.changing_import(import_id) as item:
            item |= {"total_records": 1, "completed_records": 1, "failed_records": 0}
        account.world.replace_records(import_id, records[:1])
        assert 0 == account.sync(full=True).exit_code

    account.sandbox.faults.add(meanwhile(put_right_and_sync), path=f"{import_id}/records", times=1)
    kinds = {each[-1] for each in found(account, deep=deep)}

    assert kinds <= {"moved"}


@pytest.mark.parametrize("body", [b"[]", b"null", b"{}"])
def test_an_empty_answer_promises_nothing(account: Account, body: bytes) -> None:
    """No sync takes anything away on its strength, so a verification does not say so."""
    account.sandbox.faults.add(answer(body), path=FIELDS)
    verification = verify(account)

    assert [] == verification.differences
    assert [("case_fields", 8)] == [(failure.resource, verification.exit_code) for failure in verification.failures]


def test_a_blank_list_is_asked_no_details(account: Account) -> None:
    """As in a sync: the answer is doubted, not the imports."""
    account.sandbox.faults.add(answer(b"null"), path=IMPORTS)
    account.sandbox.requests.clear()
    verification = verify(account)

    assert ["imports"] == [failure.resource for failure in verification.failures]
    assert [] == account.asked(IMPORT)


def test_the_unexpected_stops_one_resource(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be compared is in the answer, whatever was raised elsewhere."""

    def unlucky(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("etl.verify.story.read_listing", unlucky)
    verification = verify(account)

    assert [("imports", 1)] == [(failure.resource, failure.exit_code) for failure in verification.failures]
    assert verification.compared["acme"]["case_fields"]
