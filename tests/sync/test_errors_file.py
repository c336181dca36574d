"""Imports whose records cannot be had: the vendor's error file says which of them failed."""

import threading
from typing import Any

import pytest
from pydantic import SecretStr

from etl.sandbox.faults import answers as faulty
from etl.verify import verify_accounts
from tests.account import Account, changes
from tests.expected import require_level

OF_ONE = """
    SELECT records_source, record_columns, records_loaded, records_loaded_at FROM talkdesk.imports WHERE import_id = %s
"""
RECORDS = """
    SELECT record_key, line, status, data, message FROM talkdesk.import_records
    LEFT JOIN talkdesk.import_record_errors USING (account, import_id, record_key)
    WHERE import_id = %s ORDER BY position
"""


@pytest.fixture
def unlinked(acme: Account) -> Account:
    """An account whose imports have no link to their records."""
    acme.sandbox.has_records_link = False
    return acme


def failed(account: Account) -> tuple[str, list[Any]]:
    """An import that is over with some failed records, and these."""
    import_id = account.world.add_import(status="COMPLETED_WITH_ERRORS", records=9)
    records = account.world.find_import(import_id).records
    return import_id, [record for record in records if record["status"] == "FAILED"]


@pytest.mark.parametrize("dialect", ["", "semicolon", "tab", "latin-1", "mark", "lines"])
def test_failed_records_come_from_the_error_file(unlinked: Account, dialect: str) -> None:
    import_id, records = failed(unlinked)
    if dialect:
        unlinked.sandbox.faults.use(f"errors-file={dialect}")
    assert 0 == unlinked.sync().exit_code

    (one,) = unlinked.rows(OF_ONE, import_id)
    assert ("errors_file", list(records[0]["data"])) == (one["records_source"], one["record_columns"])
    assert one["records_loaded_at"] is not None
    expected = [
        {
            "record_key": f"line:{record['line']}",
            "line": record["line"],
            "status": "FAILED",
            "data": record["data"],
            "message": record["errors"][0]["message"],
        }
        for record in records
    ]
    assert expected == unlinked.rows(RECORDS, import_id)


def test_it_is_asked_for_once(unlinked: Account) -> None:
    """Of imports that are over and had failures; level with it the warehouse is."""
    failed(unlinked)
    unlinked.sync()
    asked = [seen.target for seen in unlinked.sandbox.requests if seen.target.endswith("/errors")]
    with_failures = [one for one in unlinked.world.imports() if one.item.get("failed_records")]
    over = [one for one in with_failures if one.item["status"] != "IN_PROGRESS"]
    assert len(over) == len(asked) == len(set(asked))

    assert {} == changes(unlinked.sync())
    assert not [seen for seen in unlinked.sandbox.requests if seen.target.endswith("/errors")]
    assert verify_accounts(unlinked.url, [unlinked.settings], deep=True, stop=threading.Event()).level


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": "x"}'])
def test_another_form_is_kept_once_as_it_is(unlinked: Account, body: bytes) -> None:
    import_id, _ = failed(unlinked)
    unlinked.sandbox.faults.add(faulty.answer(body, media_type="text/csv"), path=f"/{import_id}/errors")
    assert 8 == unlinked.sync().exit_code
    assert 0 == unlinked.sync().exit_code

    (kept,) = unlinked.rows("SELECT * FROM talkdesk.rejected_items")
    assert ("import_records", import_id) == (kept["resource"], kept["import_id"])
    assert "error file" in kept["reason"]
    (one,) = unlinked.rows(OF_ONE, import_id)
    assert (None, 0) == (one["records_source"], one["records_loaded"])
    assert one["records_loaded_at"] is not None


def test_of_a_404_and_no_file_nothing_is_left(unlinked: Account) -> None:
    unlinked.sandbox.faults.use("404,path=/errors")
    assert 0 == unlinked.sync().exit_code
    assert 0 == unlinked.size("import_records")


def test_records_that_were_had_are_not_replaced_by_an_error_file(acme: Account) -> None:
    """It says less: where the records are gone meanwhile, what is stored of them stays."""
    import_id, _ = failed(acme)
    acme.sync()
    before = acme.rows(RECORDS, import_id)
    acme.sandbox.has_records_link = False
    assert 0 == acme.sync(full=True).exit_code

    assert before == acme.rows(RECORDS, import_id)
    (one,) = acme.rows(OF_ONE, import_id)
    assert "records" == one["records_source"]
    assert verify_accounts(acme.url, [acme.settings], deep=False, stop=threading.Event()).level


def test_the_records_take_the_place_of_an_error_file_once_they_can_be_had(unlinked: Account) -> None:
    import_id, _ = failed(unlinked)
    unlinked.sync()
    unlinked.sandbox.has_records_link = True
    unlinked.sync(full=True)

    require_level(unlinked)
    (one,) = unlinked.rows(OF_ONE, import_id)
    assert ("records", 9) == (one["records_source"], one["records_loaded"])


def test_cells_are_dropped_or_hashed_here_too(unlinked: Account) -> None:
    _, records = failed(unlinked)
    unlinked.changes["record_data"] = "drop"
    unlinked.sync()
    assert {"{}"} == set(unlinked.column("SELECT data::text FROM talkdesk.import_records"))
    assert not any(
        cell in str(unlinked.everything()) for record in records for cell in record["data"].values() if "@" in cell
    )


def test_cells_that_cannot_be_told_apart_do_not_pass_unhashed(unlinked: Account) -> None:
    """A second column of the name is hashed as the first; a row whose cells may have moved is rejected as a hash."""
    import_id, _ = failed(unlinked)
    unlinked.changes |= {"hash_columns": ("Email",), "hash_key": SecretStr("k")}
    body = b"Line,Name,Email,Email,Error\n2,Lovelace, Ada,a@b.c,d@b.c,bad\n3,Bo,e@b.c,f@b.c,bad\n4,Cy,g@b.c,bad\n"
    unlinked.sandbox.faults.add(faulty.answer(body, media_type="text/csv"), path=f"/{import_id}/errors")
    assert [8, 0] == [unlinked.sync().exit_code for _ in range(2)]

    assert [3] == [row["line"] for row in unlinked.rows(RECORDS, import_id)]
    assert "@b.c" not in str(unlinked.everything())
    assert 2 == unlinked.size("rejected_items")


# The header


def test_the_header_is_kept_in_its_order(acme: Account) -> None:
    """Columns of later records come after; what stands beside the cells is not of the file."""
    records = [
        {"id": "1", "line": 2, "status": "OK", "zone": "x", "data": {"Zeta": "1", "Alpha": "2"}},
        {"id": "2", "line": 3, "status": "OK", "data": {"Alpha": "2", "Beta": "3"}},
    ]
    acme.world.put_import({"id": "wrapped", "status": "COMPLETED"}, records)
    acme.world.put_import(
        {"id": "flat", "status": "COMPLETED"}, [{"id": "1", "Zeta": "1", "status": "OK", "Alpha": "2"}]
    )
    acme.sync()
    (wrapped,), (flat,) = acme.rows(OF_ONE, "wrapped"), acme.rows(OF_ONE, "flat")
    assert (["Zeta", "Alpha", "Beta"], "records") == (wrapped["record_columns"], wrapped["records_source"])
    assert ["Zeta", "Alpha"] == flat["record_columns"]
