"""Source and warehouse held against each other: what is damaged, what merely moved on, and nothing written."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from etl.commands.verification import render, verdict
from etl.errors import DatabaseError, Interrupted, SourceUnavailable
from etl.sandbox.world.moves import BulkImport
from etl.verify import Difference, Verification, verify_accounts
from tests.account import NAME, Account, running

LAPTOP = ("001", "001001")
Found = set[tuple[str, str, tuple[str, ...], str | None, str]]


@pytest.fixture
def account(database_url: str) -> Iterator[Account]:
    """A synced account with two imports that still run."""
    with running(database_url, imports=10, records=6) as account:
        account.sync()
        yield account


def verify(account: Account, *, deep: bool = False, stop: threading.Event | None = None) -> Verification:
    """What a verification of the account found."""
    return verify_accounts(account.url, [account.settings], deep=deep, stop=stop or threading.Event())


def found(account: Account, *, deep: bool = False) -> Found:
    """Resource, key, path, column and kind of every difference."""
    return {
        (each.resource, each.key, tuple(each.path or ()), each.column, each.kind)
        for each in verify(account, deep=deep).differences
    }


def finished(account: Account) -> str:
    """The newest import that has ended and has at least three records here."""
    statement = """
        SELECT i.import_id FROM talkdesk.imports AS i JOIN talkdesk.import_records AS r USING (account, import_id)
        WHERE i.records_loaded_at IS NOT NULL GROUP BY i.account, i.import_id HAVING count(*) > 2
        ORDER BY max(i.created_at) DESC LIMIT 1
    """
    return str(account.value(statement))


def running_import(account: Account) -> str:
    """An import that has not ended, with records."""
    return str(account.value("SELECT import_id FROM talkdesk.imports WHERE status = 'IN_PROGRESS'"))


@pytest.mark.parametrize("deep", [False, True])
def test_level_after_a_sync(account: Account, deep: bool) -> None:  # noqa: FBT001 - a parameter
    """Right after a sync nothing differs, and everything was compared."""
    verification = verify(account, deep=deep)
    counts = verification.to_json()["compared"][NAME]

    assert verification.level
    assert verification.exit_code == 0
    assert counts["imports"] == 10
    assert counts["import_records"] == account.value("SELECT count(*) FROM talkdesk.import_records")
    assert counts["case_fields"] == 12
    assert counts["case_field_entries"] == account.value("SELECT count(*) FROM talkdesk.case_field_entries")


def test_nothing_is_written(account: Account) -> None:
    """A verification leaves every row of every table as it was, and takes no lock."""
    account.change("UPDATE talkdesk.imports SET filename = 'x'")
    before = account.everything()
    verify(account, deep=True)

    assert before == account.everything()


def test_never_synced_is_all_moved(database_url: str) -> None:
    """Before the first sync everything is new at the source, and no records are asked for."""
    with running(database_url, imports=3, records=2) as account:
        kinds = {each.kind for each in verify(account).differences}
        asked = [seen.target for seen in account.sandbox.requests if seen.target.endswith("/records")]

    assert {"moved"} == kinds
    assert [] == asked


# Imports


def test_damaged_import(account: Account) -> None:
    """A changed column is named; its value is not."""
    import_id = finished(account)
    account.change(
        "UPDATE talkdesk.imports SET filename = 'secret.csv', total_records = 7 WHERE import_id = %s", import_id
    )
    verification = verify(account)
    columns = {each.column: each.kind for each in verification.differences}

    assert {"filename": "different", "total_records": "different"} == columns
    assert verification.exit_code == 9
    assert "secret.csv" not in str(verification.to_json())


def test_damaged_user(account: Account) -> None:
    """A changed column is named, and nobody; one that was taken away is missing."""
    account.changes["users"] = "keep"
    account.sync()
    one, other = account.column("SELECT user_id FROM talkdesk.users ORDER BY 1 LIMIT 2")
    account.change("UPDATE talkdesk.users SET name = 'Planted' WHERE user_id = %s", one)
    account.change("DELETE FROM talkdesk.users WHERE user_id = %s", other)
    verification = verify(account)

    told = {(each.resource, each.key, each.column, each.kind) for each in verification.differences}
    assert {("users", one, "name", "different"), ("users", other, None, "missing")} == told
    assert "Planted" not in str(verification.to_json())


def test_moved_import(account: Account) -> None:
    """What the source changed since the last sync is no damage."""
    import_id = running_import(account)
    account.world.finish_import(import_id)
    differences = found(account)

    assert ("imports", import_id, (), "status", "moved") in differences
    assert {"moved"} == {each[-1] for each in differences}


def test_damaged_and_moved(account: Account) -> None:
    """One column of an import moved, another was damaged: each is told by itself."""
    import_id = running_import(account)
    account.world.finish_import(import_id)
    account.change("UPDATE talkdesk.imports SET filename = 'x' WHERE import_id = %s", import_id)
    kinds = {each.column: each.kind for each in verify(account).differences}

    assert kinds["filename"] == "different"
    assert kinds["status"] == "moved"


def test_new_import(account: Account) -> None:
    """An import that is newer than the last listing is not missing."""
    import_id = account.world.add_import(records=3)

    assert {("imports", import_id, (), None, "moved")} == found(account)


@pytest.mark.parametrize("with_history", [True, False])
def test_lost_import(account: Account, with_history: bool) -> None:  # noqa: FBT001 - a parameter
    """An import that the last listing held is missing, whether or not its history is left."""
    import_id = finished(account)
    account.change("DELETE FROM talkdesk.imports WHERE import_id = %s", import_id)
    if not with_history:
        account.change("DELETE FROM talkdesk.imports_versions WHERE import_id = %s", import_id)

    assert {("imports", import_id, (), None, "missing")} == found(account)


def test_forgotten_import(account: Account) -> None:
    """An import that the source has forgotten moved, until a sync marks it as expired; then all is level."""
    import_id = finished(account)
    account.world.forget(import_id)

    assert {("imports", import_id, (), None, "moved")} == found(account)
    account.sync()

    assert set() == found(account)


def test_expired_by_hand(account: Account) -> None:
    """An import marked as expired that the source still lists differs in that."""
    import_id = finished(account)
    account.change("UPDATE talkdesk.imports SET expired_at = now() WHERE import_id = %s", import_id)

    assert {("imports", import_id, (), "expired_at", "moved")} == found(account)


def test_invented_import(account: Account) -> None:
    """An import without history that the source never named is one too many."""
    account.change("INSERT INTO talkdesk.imports (account, import_id) VALUES (%s, 'ghost')", NAME)

    assert {("imports", "ghost", (), None, "extra")} == found(account)


def test_import_skipped_by_the_list(account: Account) -> None:
    """An import that the list skips is asked for by itself, and is compared like any other."""
    import_id = finished(account)
    account.change("UPDATE talkdesk.imports SET filename = 'x' WHERE import_id = %s", import_id)
    known = {each.id: each for each in account.world.imports()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account.world, "imports", lambda: [each for each in known.values() if each.id != import_id])
        patch.setattr(account.world, "find_import", known.__getitem__)
        differences = found(account)

    assert {("imports", import_id, (), "filename", "different")} == differences


def test_lost_history(account: Account) -> None:
    """A row whose current version is gone is level with the source, but its history is not."""
    import_id = finished(account)
    account.change("DELETE FROM talkdesk.imports_versions WHERE import_id = %s", import_id)

    assert {("imports", import_id, (), "valid_from", "different")} == found(account)


def test_damaged_history(account: Account) -> None:
    """A version that says something else than its row was damaged."""
    import_id = finished(account)
    account.change("UPDATE talkdesk.imports_versions SET status = 'x' WHERE import_id = %s", import_id)

    assert {("imports", import_id, (), "status", "different")} == found(account)


# Records


def test_lost_record(account: Account) -> None:
    """A lost record shows in the numbers; a deep verification names it."""
    import_id = finished(account)
    lost = "DELETE FROM talkdesk.import_records WHERE import_id = %s AND position = 1 RETURNING record_key"
    (record_key,) = account.column(lost, import_id)
    (difference,) = verify(account).differences
    rows = difference.rows

    assert ("import_records", import_id, None, "missing") == difference[1:4] + difference[5:6]
    assert rows is not None
    assert 1 == rows.source - rows.warehouse
    assert {("import_records", import_id, (record_key,), None, "missing")} == found(account, deep=True)


def test_damaged_record(account: Account) -> None:
    """A verification names the import that has other records than it was given; a deep one names the columns."""
    import_id = finished(account)
    damage = "UPDATE talkdesk.import_records SET data = '{}', status = 'x' WHERE import_id = %s AND position = 0"
    account.change(damage, import_id)
    differences = verify(account, deep=True).differences

    assert {("import_records", import_id, (), None, "different")} == found(account)
    assert [("data", "different"), ("status", "different")] == sorted(
        (str(each.column), each.kind) for each in differences
    )


def test_extra_record(account: Account) -> None:
    """A record that the source does not have is one too many."""
    import_id = finished(account)
    account.change(
        "INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)"
        " VALUES (%s, %s, 'x', 99, '{}')",
        NAME,
        import_id,
    )

    assert {("import_records", import_id, (), None, "extra")} == found(account)
    assert {("import_records", import_id, ("x",), None, "extra")} == found(account, deep=True)


def test_damaged_errors(account: Account) -> None:
    """Errors belong to their record: lost or changed ones are a difference in its `errors`."""
    first = "SELECT import_id, record_key FROM talkdesk.import_record_errors ORDER BY 1, 2 LIMIT 1"
    where = account.rows(first)[0]
    account.change("UPDATE talkdesk.import_record_errors SET message = 'x' WHERE record_key = %s", where["record_key"])
    expected = ("import_records", where["import_id"], (where["record_key"],), "errors", "different")

    assert {expected} == found(account, deep=True)
    account.change("DELETE FROM talkdesk.import_record_errors WHERE record_key = %s", where["record_key"])

    assert {expected} == found(account, deep=True)


def test_records_of_a_running_import_move(account: Account) -> None:
    """While an import runs its records change, which is no damage."""
    import_id = running_import(account)
    account.world.work_on_import(import_id, lines=2)
    differences = found(account, deep=True)

    assert {("import_records", "status", "moved"), ("imports", "completed_records", "moved")} <= {
        (resource, column, kind) for resource, _, _, column, kind in differences
    }
    assert {"moved"} == {each[-1] for each in differences}


def test_address_as_record_id_is_not_shown(account: Account) -> None:
    """A record id that may be somebody's address is replaced by the record's place."""
    people = [{"id": f"person{number}@example.com", "line": number, "status": "COMPLETED"} for number in (1, 2)]
    item = {
        "id": "people",
        "status": "COMPLETED",
        "created_at": "2024-01-01T00:00:00Z",
        "_links": {"records": {"href": "/bulk-imports/users/people/records"}},
    }
    account.world.put_import(item, people)
    account.sync()
    account.change("UPDATE talkdesk.import_records SET status = 'x' WHERE import_id = 'people' AND position = 1")
    verification = verify(account, deep=True)

    assert [["position:1"]] == [each.path for each in verification.differences]
    assert "@" not in str(verification.to_json())


def test_privacy_is_applied_before_comparing(account: Account) -> None:
    """What was dropped on purpose is not missed."""
    account.changes["record_data"] = "drop"
    account.sync(full=True)

    assert set() == found(account, deep=True)
    account.changes["record_data"] = "keep"

    assert "data" in {each[3] for each in found(account, deep=True)}


# Case fields


def test_renamed_entry(account: Account) -> None:
    """A new label moved, and so did all that follows from it."""
    account.world.rename_entry("dependent_field1", LAPTOP, "Notebook")
    differences = found(account)

    assert ("case_field_entries", "dependent_field1", LAPTOP, "label", "moved") in differences
    assert ("case_field_entries", "dependent_field1", (*LAPTOP, "001001001"), "labels", "moved") in differences
    assert {"moved"} == {each[-1] for each in differences}
    account.sync()

    assert set() == found(account)


def test_damaged_entry(account: Account) -> None:
    """Columns with and without history are told when nothing in the field moved."""
    account.change(
        "UPDATE talkdesk.case_field_entries SET label = 'x', position = 9"
        " WHERE field_key = 'drop_down1' AND key = '002'"
    )

    assert {
        ("case_field_entries", "drop_down1", ("002",), "label", "different"),
        ("case_field_entries", "drop_down1", ("002",), "position", "different"),
    } == found(account)


def test_lost_and_invented_entries(account: Account) -> None:
    """A lost entry is missing, one that nobody ever saw is one too many."""
    account.change("DELETE FROM talkdesk.case_field_entries WHERE field_key = 'drop_down1' AND key = '001'")
    account.change(
        "INSERT INTO talkdesk.case_field_entries"
        " (account, field_key, entry_id, key, path, labels, depth, position, is_leaf)"
        " VALUES (%s, 'drop_down1', 'x', 'x', '{x}', '{x}', 1, 9, true)",
        NAME,
    )

    assert {
        ("case_field_entries", "drop_down1", ("001",), None, "missing"),
        ("case_field_entries", "drop_down1", ("x",), None, "extra"),
    } == found(account)


def test_removed_entry(account: Account) -> None:
    """An entry that the source removed moved; one removed by hand was damaged."""
    account.world.remove_entry("drop_down1", ("005",))
    account.change(
        "UPDATE talkdesk.case_field_entries SET removed_at = now() WHERE field_key = 'drop_down2' AND key = '001'"
    )
    differences = found(account)

    assert ("case_field_entries", "drop_down1", ("005",), None, "moved") in differences
    assert ("case_field_entries", "drop_down2", ("001",), "removed_at", "different") in differences


def test_returned_field(account: Account) -> None:
    """A field that came back since the last sync moved, with all its entries."""
    account.world.remove_field("drop_down1")
    account.sync()

    assert set() == found(account)
    account.world.restore_field("drop_down1")
    differences = found(account)

    assert ("case_fields", "drop_down1", (), "removed_at", "moved") in differences
    assert {"moved"} == {each[-1] for each in differences}


def test_case_fields_added_and_renamed(account: Account) -> None:
    """A new field, its entries, and a new name: all of it moved."""
    account.world.put_field({"key": "new", "id": "99", "dict_list": [{"key": "1", "value": "One"}]})
    account.world.rename_field("drop_down3", "Urgency")
    differences = found(account)

    assert {
        ("case_fields", "new", (), None, "moved"),
        ("case_field_entries", "new", ("1",), None, "moved"),
    } < differences
    assert ("case_fields", "drop_down3", (), "name", "moved") in differences


def test_unreadable_dictionary_removes_nothing(account: Account) -> None:
    """When the dictionary of a field is no list, its entries are unknown, not gone."""
    with account.world.changing_field("drop_down1") as field:
        field["dict_list"] = "broken"
    differences = found(account)

    assert {("case_fields", "drop_down1", (), "extra", "moved")} == differences


# When something fails


def test_source_that_refuses(account: Account) -> None:
    """Nothing could be compared: the source's code, and not level."""
    account.sandbox.faults.use("403")
    verification = verify(account)

    assert not verification.level
    assert verification.exit_code == 4
    assert {"imports", "case_fields"} == {failure.resource for failure in verification.failures}


def test_part_that_fails(account: Account) -> None:
    """What could be compared is; what could not is listed, and ends 8, or 9 if something differs."""
    import_id = finished(account)
    account.sandbox.faults.use(f"403,path={import_id}/records")
    verification = verify(account)

    assert [("import_records", import_id)] == [(each.resource, each.import_id) for each in verification.failures]
    assert verification.exit_code == 8
    account.change("UPDATE talkdesk.case_fields SET name = 'x'")

    assert verify(account).exit_code == 9


def test_short_listing_shows_nothing_as_gone(account: Account) -> None:
    """A listing that stays short is no proof that anything is gone."""
    account.world.forget(finished(account))
    account.sandbox.faults.use("wrong-total=5")
    verification = verify(account)

    assert [] == verification.differences
    assert verification.exit_code == 8


def test_database_gone(account: Account) -> None:
    """Without a warehouse there is nothing to say."""
    with pytest.raises(DatabaseError):
        verify_accounts("postgresql://127.0.0.1:1/x", [account.settings], deep=False, stop=threading.Event())


def test_interrupted(account: Account) -> None:
    """A stop ends it, whatever the source does."""
    account.sandbox.faults.use("hang")
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = datetime.now(UTC)

    with pytest.raises(Interrupted):
        verify(account, stop=stop)
    assert datetime.now(UTC) - began < timedelta(seconds=2)


# What people see


def test_print(account: Account, tmp_path: Path) -> None:
    """People read keys, paths and what to do; control characters of the source do not reach the terminal."""
    differences = [
        Difference(NAME, "case_field_entries", "color", ["a", "b\x1b[2J\u202e"], "label", "different"),
        Difference(NAME, "imports", "i1", None, None, "moved"),
    ]
    output = tmp_path / "output"
    with output.open("w", encoding="utf-8") as file:
        render(Verification(differences), Console(file=file, highlight=False))
    text = output.read_text(encoding="utf-8")

    assert account.url
    assert "a > b\u241b[2J\ufffd" in text
    assert "talkdesk-etl sync --full" in text
    assert "source and warehouse are not level" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_what_could_not_be_compared_is_not_called_different() -> None:
    """Nobody knows."""
    verification = Verification()
    verification.fail(NAME, SourceUnavailable("away"), resource="imports")

    assert "is not known" in verdict(verification)


def test_json_keys() -> None:
    """The keys that the contract promises, and `rows` beside them."""
    difference: dict[str, Any] = Difference(NAME, "imports", "i1", None, None, "extra").to_json()

    assert {"account", "resource", "key", "path", "column", "kind", "rows"} == set(difference)


# A database that lacks characters


def ended(account: Account) -> list[BulkImport]:
    """Two imports that have ended, with records."""
    return [one for one in account.world.imports() if one.item["status"] == "COMPLETED" and len(one.records) > 1][:2]


@pytest.mark.parametrize("deep", [False, True])
def test_what_cannot_be_stored_is_missing(narrow: Account, deep: bool) -> None:  # noqa: FBT001 - a parameter
    """It, and nothing else, on every visit: the database can be asked for all the rest."""
    world = narrow.world
    first, second = ended(narrow)
    world.replace_records(first.id, [{"id": "1"}, {"id": "2", "status": "☃"}])
    world.replace_records(second.id, [{"id": "1", "errors": [{"code": "1", "message": "☃"}]}, {"id": "☃"}])
    world.put_import({"id": "☃", "status": "COMPLETED"}, [{"id": "1"}])
    world.put_field({"key": "k", "dict_list": [{"key": "a", "value": "☃"}, {"key": "b", "value": "b"}]})
    world.put_field({"key": "☃"})
    narrow.sync()
    verification = verify(narrow, deep=deep)

    assert [] == verification.failures
    assert {("import_records", first.id), ("import_records", second.id)} < {
        (each.resource, each.key) for each in verification.differences
    }
    assert {"missing"} == {each.kind for each in verification.differences}
    others = {(each.resource, each.key, tuple(each.path or ())) for each in verification.differences}
    assert {
        ("imports", "☃", ()),
        ("case_fields", "☃", ()),
        ("case_field_entries", "k", ("a",)),
    } == {each for each in others if each[0] != "import_records"}


def test_a_change_that_cannot_be_stored_differs(narrow: Account) -> None:
    """What stands there is not what the source has."""
    one, other = ended(narrow)
    narrow.world.replace_records(one.id, [{"id": "1"}, {"id": "2"}])
    narrow.sync()
    narrow.world.replace_records(one.id, [{"id": "1"}, {"id": "2", "status": "☃"}])
    with narrow.world.changing_import(other.id) as item:
        item["filename"] = "☃"
    narrow.sync(full=True)

    assert {
        ("imports", other.id, (), None, "different"),
        ("import_records", one.id, ("id:2",), None, "different"),
    } == found(narrow, deep=True)
