"""`erase`: nothing of a person is left, whatever is read again; and cells that go by age."""

import subprocess
import threading
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from etl.commands.erase import Erasure, erase
from etl.errors import UsageError
from etl.verify import verify_accounts
from etl.warehouse.connections import open_engine
from tests.account import Account, changes
from tests.commands.command import Command

PERSON = "Ada.Ünal+x@Example.com"
MARKS = ("ünal", "Ünal", "\\u00dcnal", "ada.", "Countess", "555-0199")
STATES = "SELECT record_key, status, data::text, erased_at IS NULL AS kept FROM talkdesk.import_records ORDER BY 1"
ERRORS = "SELECT code, message, description, field, extra::text FROM talkdesk.import_record_errors ORDER BY 1"
LEDGER = {"sync_runs", "sync_run_resources", "erasures"}


@pytest.fixture
def people(acme: Account) -> Account:
    """An account that knows Ada as a record with errors, in another's error, as a rejected item and as a user."""
    for one in acme.world.imports():
        acme.world.forget(one.id)
    for user in acme.world.users():
        acme.world.remove_user(user["id"])
    ada = {"Email": f" {PERSON.upper()} ", "Full Name": "Countess", "External Phone Number": "555-0199"}
    error = {"code": "17", "message": f"{PERSON} is taken", "fields": [{"name": "Email"}], "hint": PERSON}
    records = [
        {"id": "r1", "line": 2, "status": "FAILED", "data": ada, "errors": [error]},
        {"id": "r2", "line": 3, "status": "FAILED", "data": {"Email": "bo@example.com"}, "errors": [error]},
        {"id": "r3", "line": 4, "status": "COMPLETED", "data": {"Email": f"x{PERSON}"}},
        f"no object but {PERSON}",
    ]
    acme.world.put_import({"id": "i1", "status": "COMPLETED", "filename": "agents.csv"}, records)
    acme.world.put_user({"id": "u1", "name": "Countess", "email": PERSON, "active": True, "phone": "555-0199"})
    acme.changes["users"] = "keep"
    acme.sync()
    with acme.world.changing_user("u1") as user:
        user["name"] = "Countess of Lovelace"
    acme.sync()
    return acme


def erased(account: Account, *values: str, dry_run: bool = False, column: str = "email", **more: Any) -> Erasure:
    configured = {account.name: account.settings}
    return erase(
        open_engine(account.url),
        column,
        values or (PERSON,),
        names=more.get("names", ()),
        configured=configured,
        dry_run=dry_run,
        stop=threading.Event(),
    )


def source_data(account: Account) -> dict[str, Any]:
    return {name: rows for name, rows in account.everything().items() if name not in LEDGER}


def dump(account: Account) -> str:
    """The whole database as text, but for r3, who is somebody else."""
    return str(account.everything()).replace(f"x{PERSON}", "")


def test_nothing_is_left_of_a_person(people: Account) -> None:
    found = erased(people)

    assert ["acme: 1 record, 2 errors, 1 rejected item, 1 user erased"] == [*found.lines()][:1]

    expected = {"records": 1, "errors": 2, "rejected": 1, "users": 1}
    assert ({"acme": expected}, 0, 1) == (found.accounts, found.exit_code, found.values)
    assert [{"account": "acme", "import_id": "i1"}] == found.still_at_source
    assert not [mark for mark in MARKS if mark in dump(people)]
    states = [tuple(row.values()) for row in people.rows(STATES)]
    assert [("id:r1", "FAILED", "{}", False), ("id:r2", "FAILED", '{"Email": "bo@example.com"}', True)] == states[:2]
    assert [("17", None, None, "Email", "{}")] * 2 == [tuple(row.values()) for row in people.rows(ERRORS)]
    (noted,) = people.rows("SELECT * FROM talkdesk.erasures")
    assert ("email", "talkdesk", expected) == (
        noted["column_name"],
        noted["erased_by"],
        {name: noted[name] for name in expected},
    )


def test_what_is_erased_stays_erased(people: Account) -> None:
    """Whatever reads it again; level with the source it is all the same, and another sync has nothing to do."""
    erased(people)
    for options in ({}, {"full": True}, {"from_": "2020-01-01"}):
        people.sync(**options)
        assert not [mark for mark in ("Countess", "555-0199") if mark in dump(people)]
    # What is no record, and what another person's record quotes, is read again by --full: the source still sends it.
    assert [("id:r1", "{}", False)] == [
        (row["record_key"], row["data"], row["kept"]) for row in people.rows(STATES) if row["record_key"] == "id:r1"
    ]
    assert {} == changes(people.sync())
    assert verify_accounts(people.url, [people.settings], deep=True, stop=threading.Event()).level


def test_a_dry_run_counts_and_writes_nothing(people: Account) -> None:
    before = people.everything()
    found = erased(people, dry_run=True)

    assert {"records": 1, "errors": 2, "rejected": 1, "users": 1} == found.accounts["acme"]
    assert before == people.everything()


def test_hashed_cells_are_found_by_their_key(people: Account) -> None:
    people.changes |= {"hash_columns": ("Email",), "hash_key": SecretStr("k")}
    people.sync(full=True)
    assert 1 == erased(people, "bo@example.com", column="Email").accounts["acme"]["records"]


def test_the_command_reads_the_values_from_stdin(people: Account) -> None:
    """They stand in no answer and no error; another account is left alone."""
    command = Command({"DATABASE_URL": people.url})

    def run(*arguments: str, said: bytes) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [*command.program, "erase", *arguments],
            env=command.environment,
            input=said,
            capture_output=True,
            check=False,
        )

    done = run("--column", "Email", "--json", "-v", said=f"\r\n  {PERSON.lower()}\r\nnobody@example.com\n".encode())
    assert 0 == done.returncode
    assert b'"values": 2' in done.stdout or b'"values":2' in done.stdout
    assert b"nal+x" not in done.stdout + done.stderr
    assert not [mark for mark in MARKS if mark in dump(people)]
    for arguments, said in ((("--column", "Email"), b"\n \n"), (("--column", "Email", "--account", "other"), b"x")):
        lost = run(*arguments, said=said)
        assert (2, b"", 1) == (lost.returncode, lost.stdout, len(lost.stderr.splitlines()))


def test_an_unknown_account(people: Account) -> None:
    with pytest.raises(UsageError, match="zenith is not in the warehouse"):
        erased(people, names=["zenith"])


# Age


def test_cells_go_by_age(acme: Account) -> None:
    """And stay gone; an idle run writes nothing with it on, and level with the source it is."""
    acme.sync()
    acme.changes["record_keep_days"] = 10
    acme.sync()
    old = "created_at < now() - interval '10 days'"
    with_cells = f"SELECT bool_or(r.data <> '{{}}') FROM talkdesk.import_records r JOIN talkdesk.imports i USING (account, import_id) WHERE {old}"  # noqa: E501, S608
    assert acme.value(with_cells) is False
    assert acme.value(with_cells.replace("created_at <", "created_at >=")) is True
    texts = f"SELECT count(message) FROM talkdesk.import_errors WHERE {old}"  # noqa: S608
    assert 0 == acme.value(texts)

    assert {} == changes(acme.sync())
    acme.sync(full=True)
    assert acme.value(with_cells) is False
    assert 0 == acme.value(texts)
    before = source_data(acme)
    assert {} == changes(acme.sync())
    assert before == source_data(acme)
    assert verify_accounts(acme.url, [acme.settings], deep=True, stop=threading.Event()).level


def test_a_dry_run_ages_nothing(acme: Account) -> None:
    acme.sync()
    before = acme.everything()
    acme.changes["record_keep_days"] = 1
    acme.sync(dry_run=True)
    assert before == acme.everything()


def test_a_sync_is_at_work(people: Account) -> None:
    """Nothing is erased beside it: a 7, and everything is as it was."""
    before = source_data(people)
    with psycopg.connect(people.url) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('talkdesk-etl acme', 0))")
        found = erased(people)

    assert (7, {}) == (found.exit_code, found.accounts)
    assert before == source_data(people)
