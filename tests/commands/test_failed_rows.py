"""`failed-rows`: what failed, as it was uploaded."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from etl.commands.failed_rows import read_failed_rows
from etl.commands.promises import NOTHING
from etl.errors import UsageError
from etl.warehouse.connections import open_engine
from tests import account
from tests.account import Account
from tests.commands.command import Command

CELLS = {"Full Name": 'Ada "Countess", Lovelace', "Email": "ada@example.com\nsecond line", "Internal Extension": "0042"}
ODD: dict[str, Any] = {"Email": "", "Full Name": " padded ", "Ring Groups": ["a", "b"], "Agent Activation": True}


def put(acme: Account, import_id: str, *cells: dict[str, Any], filename: str = "agents.csv", **keys: Any) -> None:
    """An import of which every second record failed, from the first one on."""
    records = [
        {"id": f"r{n}", "line": n + 2, "status": "COMPLETED" if n % 2 else "FAILED", "data": line}
        | ({} if n % 2 else {"errors": [{"code": "17", "message": "is taken", "fields": [{"name": "Email"}]}]})
        for n, line in enumerate(cells)
    ]
    item = {
        "id": import_id,
        "filename": filename,
        "status": "COMPLETED_WITH_ERRORS",
        "created_at": "2026-03-02T08:00:00Z",
    }
    acme.world.put_import(item | keys, records)


def failed_rows(url: str, name: str, *, of: str | None = None) -> tuple[list[str], list[list[str]]]:
    """The header, and the rows."""
    with open_engine(url, read_only=True).connect() as connection:
        found = read_failed_rows(connection, name, account=of, with_errors=False)
        return list(found.columns), list(found.rows)


def test_the_csv_is_the_one_that_was_uploaded(acme: Account) -> None:
    put(acme, "i1", CELLS, {"Full Name": "fine"}, ODD)
    acme.sync()
    command = Command({"DATABASE_URL": acme.url})
    done = command("failed-rows", "agents.csv")
    with_errors = command("failed-rows", "i1", "--errors", "--account", acme.name)

    assert (0, "") == (done.code, done.err)
    header = ["Full Name", "Email", "Internal Extension", "Ring Groups", "Agent Activation"]
    rows = [[*CELLS.values(), "", ""], [" padded ", "", "", '["a","b"]', "true"]]
    assert [header, *rows] == [*csv.reader(io.StringIO(done.out, newline=""))]
    more = ["17", "is taken", "Email"]
    expected = [[*header, "error_code", "error_message", "error_field"], *([*row, *more] for row in rows)]
    assert expected == [*csv.reader(io.StringIO(with_errors.out, newline=""))]
    assert rows == command("failed-rows", "i1", "--json").json["rows"]


def test_the_newest_of_a_name(acme: Account) -> None:
    put(acme, "old", {"Email": "old"})
    put(acme, "new", {"Email": "new"}, created_at="2026-03-03T08:00:00Z")
    acme.sync()
    assert (["Email"], [["new"]]) == failed_rows(acme.url, "agents.csv")
    assert (["Email"], [["old"]]) == failed_rows(acme.url, "old")


def test_several_accounts_have_it(acme: Account) -> None:
    put(acme, "i1", {"Email": "of acme"})
    acme.sync()
    with account.running(acme.url, name="zenith") as zenith:
        put(zenith, "i1", {"Email": "of zenith"})
        zenith.sync()
    with pytest.raises(UsageError, match="acme, zenith"):
        failed_rows(acme.url, "agents.csv")
    assert [["of zenith"]] == failed_rows(acme.url, "i1", of="zenith")[1]
    with pytest.raises(UsageError, match="no import of account nobody"):
        failed_rows(acme.url, "i1", of="nobody")


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"record_data": "drop"}, "dropped"), ({"hash_columns": ("Email",), "hash_key": SecretStr("k")}, "hashed")],
)
def test_cells_that_are_not_there(acme: Account, changes: dict[str, Any], why: str) -> None:
    put(acme, "i1", {"Email": "of acme"})
    acme.changes |= changes
    acme.sync()
    with pytest.raises(UsageError, match=why):
        failed_rows(acme.url, "i1")


def test_an_import_without_records_has_no_header(acme: Account) -> None:
    """What is lacking is said, once; an import in which nothing failed has its header alone."""
    acme.world.put_import({"id": "i1", "status": "FAILED", "failed_records": 3, "filename": "lost.csv"})
    put(acme, "i2", {"Email": "a"})
    acme.world.replace_records("i2", [{"id": "r", "status": "COMPLETED", "data": {"Email": "a"}}])
    acme.sync()
    command = Command({"DATABASE_URL": acme.url})
    lost, fine = command("failed-rows", "lost.csv"), command("failed-rows", "i2")

    assert (0, "", 1) == (lost.code, lost.out, len(lost.err.splitlines()))
    assert "3 failed rows are not among these" in lost.err
    assert (0, "Email\n", "") == (fine.code, fine.out, fine.err)


def test_a_file_is_whole_or_as_it_was(acme: Account, tmp_path: Path) -> None:
    put(acme, "i1", {"Email": "é"})
    acme.sync()
    command, place = Command({"DATABASE_URL": acme.url}), tmp_path / "again.csv"
    assert 0 == command("failed-rows", "i1", "--out", str(place)).code
    assert "Email\r\né\r\n".encode() == place.read_bytes()
    assert [place] == [*tmp_path.glob("*again*")]
    lost = command("failed-rows", "i1", "--out", str(tmp_path / "nowhere" / "again.csv"))
    assert (2, "", 1) == (lost.code, lost.out, len(lost.err.splitlines()))
    assert 2 == command("failed-rows", "unknown.csv", "--out", str(place)).code
    assert "Email\r\né\r\n".encode() == place.read_bytes()


def test_one_object_wherever_it_goes(acme: Account, tmp_path: Path) -> None:
    """With --json stdout holds nothing else, also where the file is called stdout."""
    put(acme, "i1", {"Email": "é"})
    acme.sync()
    command = Command({"DATABASE_URL": acme.url})
    here = [command("failed-rows", "i1", "--json", *out).json for out in ([], ["--out", "-"])]
    there = command("failed-rows", "i1", "--json", "--out", str(tmp_path / "again.csv")).json

    assert [[["é"]], [["é"]], 1] == [said["rows"] for said in (*here, there)]
    for said in (*here, there):
        assert NOTHING["failed-rows"].keys() <= said.keys()


def test_what_the_status_says(acme: Account) -> None:
    """Errors fail a record unless its status speaks of success, and of nothing else."""
    error = {"errors": ["bad"]}
    statuses = ["failed", " ERROR", "COMPLETED_WITH_ERRORS", "Skipped", None, "Completed", "success"]
    records = [{"line": n, "status": status, "data": {"N": str(n)}} | error for n, status in enumerate(statuses)]
    acme.world.put_import({"id": "i1", "status": "COMPLETED"}, records)
    acme.sync(only="imports")
    assert [["0"], ["1"], ["2"], ["3"], ["4"]] == failed_rows(acme.url, "i1", of=acme.name.upper())[1]


def test_cells_that_were_erased(acme: Account) -> None:
    """What is left is printed, and what is not is said; where nothing is left it is wrong use."""
    put(acme, "i1", {"Email": "a"}, {"Email": "b"}, {"Email": "c"})
    acme.sync(only="imports")
    erase = "UPDATE talkdesk.import_records SET data = '{}', erased_at = now() WHERE data ->> 'Email' = ANY(%s)"
    acme.change(erase, ["a"])
    done = Command({"DATABASE_URL": acme.url})("failed-rows", "i1")
    assert (0, "Email\nc\n") == (done.code, done.out)
    assert "1 of its records were erased" in done.err
    acme.change(erase, ["b", "c"])
    with pytest.raises(UsageError, match="were erased"):
        failed_rows(acme.url, "i1")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(rows=st.lists(st.lists(TEXT, min_size=2, max_size=2), min_size=1, max_size=4))
def test_round_trip(acme: Account, rows: list[list[str]]) -> None:
    """What is uploaded, fails and is read comes out as it went in."""
    import_id = f"i{len(acme.world.imports())}"
    put(acme, import_id, *({"One": one, "Two": two} for row in rows for one, two in (row, row)))
    acme.sync(only="imports")
    assert (["One", "Two"], rows) == failed_rows(acme.url, import_id)
