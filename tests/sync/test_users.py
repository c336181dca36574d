"""The account's users: off by default, as names alone or whole, with their history, and what imports did to them."""

import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.sandbox.faults import answers as faulty
from etl.verify import verify_accounts
from tests.account import Account, changed, changes
from tests.commands.command import Command
from tests.commands.conftest import settings

ADA: dict[str, Any] = {
    "id": "u1",
    "name": "Ada Lovelace",
    "email": "Ada@Example.com",
    "active": True,
    "gender": "female",
    "extension": 918273,
    "external_phone_number": "+12025550123",
    "created_at": "2026-01-02T03:04:05Z",
    "favourite": {"colour": "teal"},
}
ROWS = "SELECT * FROM talkdesk.users ORDER BY user_id"
TEXTS = "SELECT u::text FROM talkdesk.{} AS u"
CHANGES = """
    SELECT user_id, column_name, was, is_now FROM talkdesk.import_user_changes WHERE import_id = %s
    ORDER BY user_id, column_name
"""
REMOVED = "SELECT user_id FROM talkdesk.users WHERE removed_at IS NOT NULL"


@pytest.fixture
def people(acme: Account) -> Account:
    """An account with Ada and Bo, which reads its users whole."""
    for user in acme.world.users():
        acme.world.remove_user(user["id"])
    acme.world.put_user(ADA)
    acme.world.put_user({"id": "u2", "name": "Bo", "email": "bo@example.com", "active": False})
    acme.changes["users"] = "keep"
    return acme


def update(people: Account, *cells: dict[str, str], type_: str = "UPDATE_USERS") -> str:
    """The id of an import that has just done what these lines say."""
    records = [{"id": f"r{n}", "line": n, "status": "COMPLETED", "data": line} for n, line in enumerate(cells, 2)]
    import_id = people.world.add_import(type=type_, records=0, status="IN_PROGRESS")
    people.world.replace_records(import_id, records)
    people.world.finish_import(import_id)
    return import_id


def test_users_are_off_unless_somebody_asks(acme: Account) -> None:
    """Nothing is asked for, not even the scope, and nothing is told of them."""
    outcome = acme.sync()

    assert not [seen for seen in acme.sandbox.requests if seen.target.startswith("/users")]
    assert "users" not in outcome.to_json()["accounts"][acme.name]
    assert 0 == acme.size("users")
    acme.sandbox.faults.use("new-scope=users:read")
    assert 0 == acme.sync().exit_code


def test_every_key_has_its_column(people: Account) -> None:
    """What no column takes is in extra; of a user whose keys are odd, too."""
    people.world.put_user({"id": 7, "name": ["Eve"], "active": "TRUE", "extension": "0042", "email": None})
    people.sync()

    odd, ada, bo = people.rows(ROWS)
    assert ("7", None, True, "0042", {"name": ["Eve"]}) == tuple(
        odd[name] for name in ("user_id", "name", "active", "extension", "extra")
    )
    said = {name: str(value) if name == "extension" else value for name, value in ADA.items()}
    assert {
        "user_id": said.pop("id"),
        "extra": {"favourite": said.pop("favourite")},
        "created_at": ada["created_at"],
    } | {name: value for name, value in said.items() if name != "created_at"} == {
        name: ada[name] for name in ("user_id", "extra", *(said.keys() - {"id", "favourite"}))
    }
    assert "2026-01-02T03:04:05+00:00" == ada["created_at"].isoformat()
    assert (False, None) == (bo["active"], bo["removed_at"])


def test_of_names_nothing_else_is_written(people: Account) -> None:
    """In no table and no column, whatever form it comes in."""
    people.changes["users"] = "names"
    people.world.put_user({"email": "no-id@example.com", "name": {"secret": "deep@example.com"}})
    people.world.put_user({"id": {"email": "in-id@example.com"}, "name": "Cy"})
    assert 8 == people.sync().exit_code

    everything = str(people.everything())
    assert "Ada Lovelace" in everything
    for word in ('xample.com"', "Ada@", "bo@", "no-id", "deep@", "in-id", "female", "918273", "teal", "5550123"):
        assert word not in str({name: rows for name, rows in people.everything().items() if "import" not in name}), word
    assert [{"name": "Ada Lovelace"}, {"name": "Bo"}] == people.rows("SELECT name FROM talkdesk.users ORDER BY 1")


def test_load_twice_is_load_once(people: Account) -> None:
    """Another sync finds nothing to write, and level with the source everything is."""
    people.sync()
    before = people.everything()
    again = people.sync()

    assert {} == changes(again)
    after = people.everything()
    ledger = {"sync_runs", "sync_run_resources"}
    assert {k: v for k, v in before.items() if k not in ledger} == {k: v for k, v in after.items() if k not in ledger}
    found = verify_accounts(people.url, [people.settings], deep=True, stop=threading.Event())
    assert found.level
    assert 2 == found.to_json()["compared"][people.name]["users"]


def test_a_change_makes_a_version_and_a_removal_ends_it(people: Account) -> None:
    people.sync()
    between = people.value("SELECT clock_timestamp()")
    with people.world.changing_user("u2") as bo:
        bo["name"] = "Bo Peep"
    people.world.remove_user("u1")
    outcome = people.sync()

    assert {"updated": 1, "removed": 1} == changed(outcome, "users")
    assert ["u1"] == people.column(REMOVED)
    assert ["Bo Peep"] == people.column("SELECT name FROM talkdesk.users_as_of(now(), 'acme') ORDER BY 1")
    assert ["Ada Lovelace", "Bo"] == people.column("SELECT name FROM talkdesk.users_as_of(%s) ORDER BY 1", between)
    people.world.put_user(ADA)
    assert {"updated": 1} == changed(people.sync(), "users")
    assert [] == people.column(REMOVED)


@pytest.mark.parametrize("fault", ["wrong-total=5,path=/users", "json=null,path=/users", "503=empty,path=/users"])
def test_nobody_is_removed_by_an_answer_that_is_short_or_blank(people: Account, fault: str) -> None:
    people.sync()
    people.world.remove_user("u1")
    if "null" in fault:
        people.sandbox.faults.add(faulty.answer(b"null"), path="^/users")
    else:
        people.sandbox.faults.use(fault.replace("path=/users", "path=^/users"))
    outcome = people.sync()

    assert [] == people.column(REMOVED)
    assert ("null" in fault) == (outcome.exit_code == 0)
    assert not outcome.accounts[0].resources["users"].complete


def test_a_user_whom_shifting_pages_hid_is_not_removed(people: Account) -> None:
    """The list is read again before anybody missing from it is gone."""
    for number in range(3, 13):
        people.world.put_user({"id": f"u{number:02}", "name": f"N{number}"})
    people.sync()
    people.sandbox.faults.add(faulty.meanwhile(lambda world: world.remove_user("u1")), path="^/users.*page=2", times=1)

    assert {} == changed(people.sync(), "users")
    assert {"removed": 1} == changed(people.sync(), "users")
    assert ["u1"] == people.column(REMOVED)


@pytest.mark.parametrize("fault", ["scope=bulk-imports:read case-fields-public:read", "new-scope=users:read"])
def test_a_client_without_the_scope(people: Account, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is said by name; everything else goes on, and nobody is removed."""
    people.sync()
    people.sandbox.faults.use(fault)
    if fault.startswith("new"):
        people.sandbox.tokens.client = type(people.sandbox.tokens.client)(
            client_id="sandbox", client_secret="sandbox", scope="bulk-imports:read case-fields-public:read"
        )
    with caplog.at_level(logging.WARNING):
        outcome = people.sync()

    assert (8, ["users"]) == (outcome.exit_code, [failure.resource for failure in outcome.failures])
    assert "users:read" in caplog.text
    assert [] == people.column(REMOVED)
    assert outcome.accounts[0].resources["imports"].complete


# Names


def test_an_import_names_who_submitted_it(people: Account) -> None:
    """As known now, NULL where it is not; also beside the errors of its records."""
    import_id = people.world.add_import(status="COMPLETED_WITH_ERRORS", created_by="u1", updated_by="nobody")
    people.sync()
    names = "SELECT DISTINCT created_by_name, updated_by_name, canceled_by_name FROM talkdesk.{} WHERE import_id = %s"

    for view in ("import_history", "import_errors"):
        expected = {"created_by_name": "Ada Lovelace", "updated_by_name": None, "canceled_by_name": None}
        assert [expected] == people.rows(names.format(view), import_id)


# What imports did


def test_what_an_import_did_is_told_from_what_a_hand_did(people: Account) -> None:
    """Whichever address it names, the one before or the one after; in any case."""
    people.sync()
    import_id = update(people, {"Current Email": "bo@example.com", "Email": "Bo@New.example.com", "Full Name": "Bo B."})
    named_only = update(people, {"Current Email": "ADA@example.com "})
    people.sync()
    with people.world.changing_user("u2") as bo:
        bo["name"] = "By hand"
    with people.world.changing_user("u1") as ada:
        ada["name"] = "By hand, too"
    people.sync()

    assert [
        {"user_id": "u2", "column_name": "email", "was": "bo@example.com", "is_now": "Bo@New.example.com"},
        {"user_id": "u2", "column_name": "name", "was": "Bo", "is_now": "Bo B."},
    ] == people.rows(CHANGES, import_id)
    assert [] == people.rows(CHANGES, named_only)


def test_who_was_made_and_who_was_removed(people: Account) -> None:
    people.sync()
    made = update(people, {"Email": "cy@example.com", "Full Name": "Cy"}, type_="CREATE_USERS")
    gone = update(people, {"Current Email": "bo@example.com"}, type_="DELETE_USERS")
    people.sync()

    columns = {row["column_name"]: (row["was"], row["is_now"]) for row in people.rows(CHANGES, made)}
    assert {"name", "email", "active", "gender", "created_at"} == columns.keys()
    assert (None, "Cy") == columns["name"]
    assert ["removed_at"] == [row["column_name"] for row in people.rows(CHANGES, gone)]


def test_nothing_is_said_of_what_was_before_users_were_read(people: Account) -> None:
    """What they were before nobody knows."""
    before = update(people, {"Current Email": "bo@example.com", "Full Name": "Bo B."})
    people.sync()
    with people.world.changing_user("u2") as bo:
        bo["name"] = "By hand"
    people.sync()

    assert [] == people.rows(CHANGES, before)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=1), timedelta(days=2)])
def test_clocks_of_the_source_do_not_matter(people: Account, age: timedelta) -> None:
    """An import that was not here when users were read did not begin before, whatever it says and however coarsely."""
    people.sync()
    import_id = update(people, {"Current Email": "bo@example.com", "Full Name": "Bo B."})
    with people.world.changing_import(import_id) as item:
        item["created_at"] = f"{datetime.now(UTC) - age:%Y-%m-%dT%H:%M:%SZ}"
    people.sync()

    assert ["name"] == [row["column_name"] for row in people.rows(CHANGES, import_id)]


# Lists that say little, and clients that may little


def test_a_list_that_counts_its_pages_alone(people: Account) -> None:
    """Where the last pages are lost and only their number is said, nobody is removed."""
    people.sync()
    page = {"page": 1, "per_page": 50, "total_pages": 3, "_embedded": {"users": [ADA]}}
    people.sandbox.faults.add(faulty.answer(json.dumps(page).encode()), path="^/users")
    outcome = people.sync()

    assert (8, [], False) == (
        outcome.exit_code,
        people.column(REMOVED),
        outcome.accounts[0].resources["users"].complete,
    )
    assert "1 pages were read, twice, but the source says 3 pages" in outcome.failures[0].message


@pytest.mark.parametrize("how", ["a window", "off"])
def test_only_users_where_there_are_none(people: Account, how: str) -> None:
    """Wrong use, said before anything is asked for."""
    variables = settings(people) | {"TALKDESK_USERS": "off" if how == "off" else "keep"}
    window = ["--from", "2026-03-01"] if how == "a window" else []
    said = Command(variables)("sync", "--only", "users", *window)

    assert (2, 1) == (said.code, len(said.err.splitlines()))
    assert ("--only users" if window else "TALKDESK_USERS") in said.err
    assert not people.sandbox.requests
