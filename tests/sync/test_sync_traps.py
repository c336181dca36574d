"""Answers with a trap in them, all the way into the warehouse: loaded once, and then never written again."""

import json
from pathlib import Path
from typing import Any

import pytest

from etl.sandbox.faults.answers import answer
from etl.transform.records import RecordFlattener
from tests.account import Account, changed, changes

BODIES = sorted((Path(__file__).parents[1] / "bodies").glob("*.json"), key=lambda file: file.stem)
IMPORTS, FIELDS = r"/bulk-imports/users(\?|$)", "/cm/meta/va/fields"
NASTY = {
    "text": "NUL \x00, surrogate \ud800, quote ', percent %s, tab \t, backslash \\N, \u2028",
    "numbers": [1.50, 1e300, 10**400, -(2**63) - 1, 0.1 + 0.2],
    "nul\x00key": {"nul\x01key": None},
    "deep": json.loads("[" * 200 + "]" * 200),
}
LONG = "x" * 1200
NASTY_RECORDS = """
    SELECT count(*) FROM talkdesk.import_records JOIN talkdesk.imports USING (account, import_id) WHERE extra ? 'deep'
"""
LEDGERS = {"sync_runs", "sync_run_resources", "rejected_items"}


def serve(acme: Account, file: Path) -> None:
    """Afterwards the sandbox answers with this body, whatever it is about."""
    kind, body = file.stem.partition("_")[0], file.read_bytes()
    if kind == "records":
        acme.world.put_import({"id": "i1", "status": "COMPLETED"})
    path = {"imports": IMPORTS, "records": "/i1/records"}.get(kind, FIELDS)
    acme.sandbox.faults.add(answer(body), path=path)


@pytest.mark.parametrize("file", BODIES, ids=lambda file: file.stem)
def test_traps_are_loaded_once(acme: Account, file: Path) -> None:
    """Whatever can be stored is, the rest is among the rejected; reading it again writes nothing."""
    serve(acme, file)
    first = acme.sync()
    before = acme.everything()
    again = acme.sync()
    full = acme.sync(full=True)

    assert first.exit_code == full.exit_code
    assert 0 == again.exit_code
    assert [] == first.failures
    for outcome in (again, full):
        assert {"rejected"} >= {name for counts in changes(outcome).values() for name in counts}
    assert [] == [name for name, rows in acme.everything().items() if rows != before[name] and name not in LEDGERS]


def test_nasty_values_everywhere(acme: Account) -> None:
    """In keys, cells, labels and extras: everything is stored, and found the same the next time."""
    for one in (NASTY["text"], LONG, "ç" * 600, "/", ".."):
        records = [{"id": one, "line": 1, **NASTY}, {"id": one, **NASTY}, NASTY, {"errors": [NASTY, one]}]
        acme.world.put_import({"id": one, "status": "COMPLETED", "filename": one, **NASTY}, records)
        entries = [{"key": one, "label": one, **NASTY}, {"key": one, "children": [{"key": one}]}]
        acme.world.put_field({"key": one, "name": one, "dict_list": entries, **NASTY})
    first = acme.sync()
    before = acme.everything()

    assert (0, []) == (first.exit_code, first.failures)
    assert len(acme.world.imports()) == acme.size("imports")
    assert 20 == acme.value(NASTY_RECORDS)
    assert {} == changes(acme.sync(full=True))
    assert [] == [name for name, rows in acme.everything().items() if rows != before[name] and name not in LEDGERS]


def test_the_longest_tree(acme: Account) -> None:
    """Deep and wide, with twins."""
    chain: dict[str, object] = {"key": "end"}
    for number in range(150):
        chain = {"key": str(number), "value": f"level {number}", "children": [chain]}
    wide = [{"key": str(number % 2500), "value": "same"} for number in range(5000)]
    acme.world.put_field({"key": "f1", "dict_list": [chain, *wide]})
    first = acme.sync()

    mine = "SELECT {} FROM talkdesk.case_field_entries WHERE field_key = 'f1'"
    assert 0 == first.exit_code
    assert 5151 == acme.value(mine.format("count(DISTINCT entry_id)"))
    assert 151 == acme.value(mine.format("max(depth)"))
    assert {} == changes(acme.sync())


@pytest.mark.parametrize(
    "body",
    [
        {"_embedded": {"records": [{"id": "1"}]}, "import_id": "i2"},
        {"_embedded": {"records": [{"id": "1"}, {"id": "2", "bulk_import_id": "i2"}]}},
    ],
    ids=["page", "record"],
)
def test_records_of_another_import(acme: Account, body: object) -> None:
    """They are stored under neither, and asked for again; the other import's own records are."""
    for name in ("i1", "i2"):
        acme.world.put_import({"id": name, "status": "COMPLETED"}, [{"id": f"of {name}"}])
    rule = acme.sandbox.faults.add(answer(json.dumps(body).encode()), path="/i1/records")
    outcome = acme.sync()

    assert [("i1", 5)] == [(failure.import_id, failure.exit_code) for failure in outcome.failures]
    assert (8, 0, 1) == (outcome.exit_code, acme.size("import_records", "i1"), acme.size("import_records", "i2"))
    acme.sandbox.faults.remove(rule)
    assert 0 == acme.sync().exit_code
    assert 1 == acme.size("import_records", "i1")


def test_a_tree_that_would_become_too_much(acme: Account) -> None:
    """The field is rejected and what is stored of it stays; the others go on, and so do the other resources."""
    acme.world.put_field({"key": "f1", "dict_list": [{"key": "a"}]})
    acme.sync()
    children = [{"key": str(number)} for number in range(5_000)]
    acme.world.put_field({"key": "f1", "dict_list": [{"key": "a" * 30_000, "children": children}]})
    acme.world.put_field({"key": "f2", "dict_list": [{"key": "b"}]})
    outcome = acme.sync()

    assert 8 == outcome.exit_code
    assert {"inserted": 1, "rejected": 1} == changed(outcome, "case_fields")
    assert {"inserted": 1} == changed(outcome, "case_field_entries")
    assert ["its rows would come to more than 20 times its size and the 8 MB that a listing may have beyond that"] == (
        acme.column("SELECT reason FROM talkdesk.rejected_items")
    )
    assert 8 == acme.sync(full=True).exit_code


def test_a_record_that_would_become_too_much(acme: Account) -> None:
    """An error's text stands in a row for each field that it names; the record is rejected, the others are stored."""
    error = {"message": "m" * 20_000, "fields": ["n"] * 5_000}
    acme.world.put_import({"id": "i1", "status": "COMPLETED"}, [{"id": "a", "error": error}, {"id": "b"}])
    outcome = acme.sync()

    assert (8, []) == (outcome.exit_code, outcome.failures)
    assert {"b"} == set(acme.column("SELECT record_id FROM talkdesk.import_records WHERE import_id = 'i1'"))
    assert acme.value("SELECT reason FROM talkdesk.rejected_items").startswith("its rows would come to more than")


def test_what_nobody_thought_of_ends_its_import_alone(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure names the import; all others are stored, and the next sync brings it over."""
    rows = RecordFlattener.rows

    def fail(self: RecordFlattener, items: list[Any]) -> Any:
        if self._import_id == "i1":
            raise ZeroDivisionError
        return rows(self, items)

    acme.world.put_import({"id": "i1", "status": "COMPLETED"}, [{"id": "a"}])
    with monkeypatch.context() as patch:
        patch.setattr(RecordFlattener, "rows", fail)
        outcome = acme.sync()

    assert [("i1", 1)] == [(failure.import_id, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert 0 == acme.sync().exit_code
    assert 1 == acme.size("import_records", "i1")
