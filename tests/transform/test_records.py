"""Items into rows: imports, case fields, records and their errors, and what privacy leaves of them."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from etl.rows import CaseFieldRow, EntryRow, ImportRow, RecordRow, Rejected
from etl.transform.case_fields import CaseField, case_field
from etl.transform.imports import import_row, is_terminal
from etl.transform.privacy import KEEP, Privacy
from etl.transform.records import FlatRecord, RecordFlattener

BODIES = Path(__file__).parents[1] / "bodies"
DECODER = msgspec.json.Decoder(float_hook=Decimal)
INSTANT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def items(trap: str) -> list[Any]:
    """The items of the body of this name."""
    body = DECODER.decode((BODIES / f"{trap}.json").read_bytes())
    return list(body) if isinstance(body, list) else list(*body["_embedded"].values())


def imported(item: object) -> ImportRow:
    """The row of an import that is not rejected."""
    row = import_row(item)
    assert isinstance(row, ImportRow)
    return row


def field_of(item: object) -> CaseField:
    """The case field of an item that is not rejected."""
    found = case_field(item)
    assert isinstance(found, CaseField)
    return found


def flattened(found: Sequence[Any], privacy: Privacy = KEEP) -> list[FlatRecord]:
    """The records, with their errors, of one import."""
    return [row for row in RecordFlattener("i", privacy).rows(found) if not isinstance(row, Rejected)]


def records(found: Sequence[Any], privacy: Privacy = KEEP) -> list[RecordRow]:
    """The records of one import."""
    return [record for record, _ in flattened(found, privacy)]


def errors(*found: Any, privacy: Privacy = KEEP) -> list[Any]:
    """The errors of one import, what their `extra` says included."""
    rows = (error for _, rows in flattened(found, privacy) for error in rows)
    return [row._replace(extra=DECODER.decode(row.extra)) for row in rows]


def cells(record: RecordRow) -> Any:
    """What a record keeps beside its columns."""
    return DECODER.decode(record.data)


def test_an_import_becomes_a_row() -> None:
    """Every documented key has its column; links are left out."""
    item = {
        "id": "0ae6bbeb",
        "filename": "users.csv",
        "total_records": 10,
        "failed_records": 1,
        "completed_records": 9,
        "status": "COMPLETED_WITH_ERRORS",
        "type": "CREATE_USERS",
        "created_by": "u1",
        "created_at": "2024-01-02T03:04:05Z",
        "updated_by": "u2",
        "updated_at": "2024-01-02T03:04:05.000Z",
        "canceled_by": None,
        "canceled_at": None,
        "export_criteria": None,
        "_links": {"records": {"href": "/bulk-imports/users/0ae6bbeb/records"}},
    }
    expected = ImportRow(
        import_id="0ae6bbeb",
        filename="users.csv",
        type="CREATE_USERS",
        status="COMPLETED_WITH_ERRORS",
        total_records=10,
        completed_records=9,
        failed_records=1,
        created_by="u1",
        created_at=INSTANT,
        updated_by="u2",
        updated_at=INSTANT,
        canceled_by=None,
        canceled_at=None,
        extra={},
    )

    assert expected == import_row(item)


def test_an_import_without_usable_id_is_rejected() -> None:
    """Each says why in words; the neighbour is a row."""
    *bad, good = map(import_row, items("imports_without_usable_id"))

    assert [
        "it has no id",
        "its id is null",
        "its id is empty",
        "its id is neither text nor a number",
        "its id is neither text nor a number",
        "it is no object",
        "it is no object",
    ] == [row.reason for row in bad if isinstance(row, Rejected)]
    assert isinstance(good, ImportRow)


def test_a_rejected_import_keeps_the_item() -> None:
    """The item is kept as it was received, links and nulls included."""
    item: dict[str, Any] = {"id": None, "total_records": 2**70, "ratio": Decimal("0.10"), "_links": {}}

    assert Rejected(
        resource="imports",
        import_id=None,
        item='{"id":null,"total_records":1180591620717411303424,"ratio":0.10,"_links":{}}',
        reason="its id is null",
    ) == import_row(item)


@pytest.mark.parametrize(("reject", "read"), [(import_row, "id"), (case_field, "key")])
def test_a_key_must_fit_an_index(reject: Any, read: str) -> None:
    """The limit counts bytes of UTF-8, not characters."""
    assert not isinstance(reject({read: "ü" * 600}), Rejected)
    assert f"its {read} has 1202 bytes, more than the 1200 that a key can hold" == reject({read: "ü" * 601}).reason


def test_numbers_of_an_import_are_read_or_kept() -> None:
    """What is no whole number of 64 bits goes to extra, and the id is text in any case."""
    found = [imported(item) for item in items("imports_numbers_in_odd_forms")]

    assert [
        ("7", 12, 12, 100, {}),
        (
            "1.50",
            None,
            None,
            None,
            {"total_records": " 12 ", "completed_records": Decimal("12.5"), "failed_records": True},
        ),
        ("007", 2**63 - 1, -(2**63), -3, {}),
        (
            "big",
            None,
            None,
            None,
            {
                "total_records": 2**63,
                "completed_records": Decimal("1E+300"),
                "failed_records": "9223372036854775808",
            },
        ),
        (
            "text",
            None,
            None,
            None,
            {"total_records": "", "completed_records": "twelve", "failed_records": "\uff11\uff12"},
        ),
    ] == [(row.import_id, row.total_records, row.completed_records, row.failed_records, row.extra) for row in found]


def test_unknown_words_are_stored_and_unknown_keys_kept() -> None:
    """A key called like one of our columns, or `extra`, is an unknown key like others."""
    (row,) = map(imported, items("imports_unknown_words_and_keys"))

    assert ("PAUSED", "EXPORT_USERS", None) == (row.status, row.type, row.filename)
    assert {
        "export_criteria": {"mode": "ALL"},
        "extra": {"extra": 1},
        "import_id": "not the id",
        "filename": {"name": "users.csv"},
    } == row.extra


def test_an_instant_that_cannot_be_read_is_kept() -> None:
    """The column is NULL, extra has the text."""
    row = imported({"id": "a", "created_at": "02/01/2024", "updated_at": 1704164645, "canceled_at": ""})

    assert (None, None, None) == (row.created_at, row.updated_at, row.canceled_at)
    assert {"created_at": "02/01/2024", "updated_at": 1704164645, "canceled_at": ""} == row.extra


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        (True, "COMPLETED"),
        (True, "SUCCESSFUL"),
        (True, "COMPLETED_WITH_ERRORS"),
        (True, "CANCELED"),
        (True, "FAILED"),
        (False, "QUEUED"),
        (False, "IN_PROGRESS"),
        (False, "PAUSED"),
        (False, ""),
        (False, None),
    ],
)
def test_an_unknown_status_is_not_terminal(expected: bool, status: str | None) -> None:  # noqa: FBT001
    """An import of unknown status is read again rather than trusted to be finished."""
    assert expected is is_terminal(status)


def test_a_case_field_becomes_a_row_and_entries() -> None:
    """Every documented key has its column; the dictionary has rows of its own."""
    item = {
        "id": 7,
        "key": "dependent_field9",
        "name": "Region",
        "type": "002",
        "description": None,
        "dict_list": [{"key": "A", "lable": "Europe", "children": [{"key": "A1"}]}],
        "required": False,
        "active": "true",
        "created_at": "2024-01-02T03:04:05Z",
        "updated_at": "2024-01-02T03:04:05Z",
    }
    found = field_of(item)
    nodes = list(found.entries())

    assert (
        CaseFieldRow(
            field_key="dependent_field9",
            field_id="7",
            name="Region",
            type="002",
            description=None,
            required=False,
            active=True,
            created_at=INSTANT,
            updated_at=INSTANT,
            extra={},
        )
        == found.row
    )
    assert [["A"], ["A", "A1"]] == [entry.path for entry in nodes if isinstance(entry, EntryRow)]
    assert (2, True) == (len(nodes), found.dict_list_readable)


@pytest.mark.parametrize("key", [None, "", [], True])
def test_a_case_field_without_usable_key_is_rejected(key: object) -> None:
    """Its id does not stand in for its key."""
    found = case_field({"id": "7", "key": key})

    assert isinstance(found, Rejected)
    assert ("case_fields", None) == (found.resource, found.import_id)


def test_twin_timestamps_take_what_can_be_read() -> None:
    """`created_at` before `create_at`, but a null or unreadable one gives way; what is left over is kept."""
    found = {row.field_key: row for row in (field_of(item).row for item in items("case_fields_twin_timestamps"))}

    assert {
        "null_beside_filled": (INSTANT, None, {}),
        "other_spelling": (INSTANT, INSTANT.replace(second=6), {}),
        "both": (None, INSTANT, {"update_at": "2024-01-02T03:04:06Z"}),
        "first_unreadable": (INSTANT, None, {"created_at": "yesterday"}),
    } == {key: (row.created_at, row.updated_at, row.extra) for key, row in found.items()}


def test_a_dictionary_that_is_no_list_is_kept_and_flagged() -> None:
    """Its entries are unknown rather than none; null, absent and empty mean none."""
    found = [field_of(item) for item in items("case_fields_dict_list_is_no_list")]

    assert [
        ("text", False, {"dict_list": "A, B, C"}),
        ("object", False, {"dict_list": {"key": "A", "value": "Alpha"}}),
        ("null", True, {}),
        ("absent", True, {}),
        ("empty", True, {}),
    ] == [(field.row.field_key, field.dict_list_readable, field.row.extra) for field in found]
    assert not any(list(field.entries()) for field in found)


def test_rejected_nodes_come_with_the_field() -> None:
    """A node that cannot be keyed stops neither its siblings nor its field."""
    found = field_of(items("tree_nodes_that_cannot_be_keyed")[0])
    rejected = [isinstance(node, Rejected) for node in found.entries()]

    assert (13, 8, True) == (len(rejected), sum(rejected), found.dict_list_readable)


def test_a_record_becomes_a_row() -> None:
    """Id, line and status have columns, errors have rows; everything else is a cell."""
    item = {
        "id": "cbbd81b5",
        "line": 1,
        "status": "COMPLETED",
        "error": None,
        "data": {"email": "ada@example.com", "ring_groups": ["support"], "extension": None},
        "created_at": "2024-01-02T03:04:05Z",
        "_links": {"self": {"href": "/x"}},
    }
    ((record, found),) = flattened([item])

    assert ("id:cbbd81b5", "cbbd81b5", 1, 0, "COMPLETED") == record[:5]
    assert {
        "email": "ada@example.com",
        "ring_groups": ["support"],
        "extension": None,
        "created_at": "2024-01-02T03:04:05Z",
    } == cells(record)
    assert [] == list(found)


def test_a_record_is_keyed_by_id_then_line_then_position() -> None:
    """Each condition is that the key is there, short enough and not taken; the three cannot collide."""
    found = records(items("records_without_usable_id"))

    assert [
        ("id:a", "a", 1),
        ("line:2", "a", 2),
        ("position:2", "a", 2),
        ("line:7", None, 7),
        ("line:8", None, 8),
        ("position:5", "", None),
        ("position:6", None, None),
        ("position:7", None, None),
        ("id:line:7", "line:7", None),
        ("id:0", "0", 1),
        ("line:0", None, 0),
    ] == [(record.record_key, record.record_id, record.line) for record in found]
    assert {"id": ["a"], "line": "x"} == cells(found[6])
    assert {"line_number": 9} == cells(found[-1])


def test_a_record_key_must_fit_an_index() -> None:
    """An id of 5,000 characters is stored, but the line is the key."""
    long = "é" * 5000
    by_line, by_position = records([{"id": long, "line": 3}, {"id": long}])

    assert ("line:3", long) == (by_line.record_key, by_line.record_id)
    assert ("position:1", long) == (by_position.record_key, by_position.record_id)


def test_keys_and_positions_go_on_over_pages() -> None:
    """A key taken on one page is taken on the next."""
    flattener = RecordFlattener("i")
    pages = [[{"id": "a"}], [], [{"id": "a"}, {"id": "b"}]]
    found = [row for page in pages for row in flattener.rows(page)]

    assert ["id:a", "position:1", "id:b"] == [row[0].record_key for row in found if not isinstance(row, Rejected)]


def test_a_record_that_is_no_object_is_rejected() -> None:
    """It keeps its place in the order of arrival."""
    found = list(RecordFlattener("i").rows(items("records_that_are_no_objects")))

    assert [
        Rejected("import_records", "i", "null", "it is no object"),
        Rejected("import_records", "i", '"ada@example.com;Ada"', "it is no object"),
        Rejected("import_records", "i", '["ada@example.com","Ada"]', "it is no object"),
        Rejected("import_records", "i", "42", "it is no object"),
    ] == found[1:-1]
    assert RecordRow("position:5", None, None, 5, None, b'{"line":1.5}') == found[-1][0]


def test_cells_stand_beside_the_record_or_under_data() -> None:
    """An object under `data` is un-nested, nothing else; twins of a name are both kept."""
    found = {record.record_id: cells(record) for record in records(items("records_cells_beside_and_under_data"))}

    assert {
        "flat": {"email": "ada@example.com", "created_at": "2024-01-02T03:04:05Z"},
        "nested": {"email": "ada@example.com", "status": "a cell", "note": None},
        "twins": {"email": "top@example.com", "name": "Ada", "data": {"email": "cell@example.com"}},
        "data in data": {"data": {"email": "ada@example.com"}},
        "twins and data in data": {"email": 1, "data": {"email": 2, "data": 3}},
        "list": {"data": ["ada@example.com"]},
        "unreadable": {"status": {"code": 7}, "line": "second", "data": {"line": 2}},
        "links": {"_links": "a cell"},
    } == found


def test_flattening_leaves_the_item_alone() -> None:
    """What was read is not changed by being flattened."""
    item = {"id": "a", "error": {"fields": ["x"]}, "data": {"a": 1}, "_links": {}, "line": None}
    before = DECODER.decode(msgspec.json.encode(item))
    flattened([item])

    assert before == item


@pytest.mark.parametrize(
    ("record_id", "expected"),
    [
        ("none", []),
        ("empty", []),
        ("no", []),
        ("text", [(None, "it failed", None, None, None, {})]),
        ("number", [("1003", None, None, None, None, {})]),
        ("true", [(None, None, None, None, None, {"error": True})]),
        ("object", [("17", "bad", "very bad", None, None, {"trace": "t-1"})]),
        (
            "fields",
            [
                ("0017", None, None, "email", "taken", {}),
                ("0017", None, None, "role", None, {"fields": {"rule": {"max": 5}}}),
                ("0017", None, None, "phone", None, {}),
                ("0017", None, None, "9", None, {}),
            ],
        ),
        (
            "by name",
            [
                ("a", None, None, "email", "taken", {}),
                ("a", None, None, "role", None, {"fields": {"description": ["too long", "unknown"]}}),
                ("a", None, None, "name", None, {}),
            ],
        ),
        ("one field", [("a", None, None, "email", "taken", {})]),
        ("field name", [("a", None, None, "email", None, {})]),
        ("flat field", [("a", None, None, "email", "taken", {})]),
        ("unreadable", [(None, None, None, None, None, {"code": ["a"], "message": {"en": "bad"}})]),
        ("texts", [(None, text, None, None, None, {}) for text in ("one", "two", "three", "four")]),
        ("both", [(None, "one", None, None, None, {}), ("2", None, None, None, None, {})]),
    ],
)
def test_an_error_in_any_form_becomes_rows(record_id: str, expected: list[tuple[object, ...]]) -> None:
    """One row per error and named field, numbered from 0; what no column took is in extra."""
    (item,) = [item for item in items("records_errors_in_every_form") if item["id"] == record_id]
    found = errors(item)

    assert expected == [row[2:] for row in found]
    assert [(f"id:{record_id}", number) for number in range(len(expected))] == [row[:2] for row in found]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "Email", "description": "taken"}, [("Email", "taken", {})]),
        ({"name": "Email"}, [("Email", None, {})]),
        ({"field": "Email"}, [("Email", None, {})]),
        ({"description": "taken"}, [(None, "taken", {})]),
        ({"field": "Email", "field_description": "taken"}, [("Email", "taken", {})]),
        ({"name": "Email", "description": "taken", "rule": 5}, [("Email", "taken", {"fields": {"rule": 5}})]),
        ({"name": "Email", "field": "email"}, [("Email", None, {"fields": {"field": "email"}})]),
        ({"name": "Email", "description": None}, [("Email", None, {})]),
        ({"Email": "taken", "Full Name": "empty"}, [("Email", "taken", {}), ("Full Name", "empty", {})]),
        ("Email", [("Email", None, {})]),
        (["Email", "Full Name"], [("Email", None, {}), ("Full Name", None, {})]),
        ([{"field": "Email"}], [("Email", None, {})]),
        ({}, [(None, None, {})]),
    ],
)
def test_fields_of_an_error_in_any_form(fields: object, expected: list[tuple[object, ...]]) -> None:
    """One object is a list of one, unless its keys are the fields."""
    assert expected == [row[5:] for row in errors({"id": "a", "error": {"code": "e", "fields": fields}})]


def test_an_error_that_says_no_stays_a_cell() -> None:
    """`false` and 0 make no error row and are not lost."""
    (record,) = records([{"error": False, "errors": 0}])

    assert {"error": False, "errors": 0} == cells(record)


def test_errors_in_lists_of_lists_are_found_at_any_depth() -> None:
    """Nesting needs no recursion."""
    nested: Any = "deep"
    for _ in range(5000):
        nested = [nested]

    assert ["deep"] == [row.message for row in errors({"error": nested})]


RECORD = {
    "id": "a",
    "status": "FAILED",
    "data": {"email": "Ada@example.com", "name": "Ada", "tags": ["x"], "phone": None},
    "error": [
        {
            "code": "c1",
            "message": "ada@EXAMPLE.com is taken",
            "fields": [{"name": "email", "description": "taken"}],
        },
        {"code": "c2", "message": "row is bad", "trace": {"row": ["Ada@example.com"]}},
        {"code": "c3", "message": "role is unknown", "fields": ["role"]},
    ],
}
DROP = Privacy(record_data="drop")
HASH = Privacy(hash_columns=frozenset({"email", "phone", "absent"}), hash_key=b"key")


def digest(value: object) -> str:
    """What a hashed cell becomes."""
    return hmac.new(b"key", msgspec.json.encode(value), hashlib.sha256).hexdigest()


def test_dropped_cells_leave_nothing() -> None:
    """Of errors, code and field stay: their texts may quote a cell."""
    ((record, found),) = flattened([RECORD], DROP)

    assert RecordRow("id:a", "a", None, 0, "FAILED", b"{}") == record
    assert [
        ("c1", None, None, "email", None, b"{}"),
        ("c2", None, None, None, None, b"{}"),
        ("c3", None, None, "role", None, b"{}"),
    ] == [row[2:] for row in found]


def test_hashed_cells_keep_their_neighbours() -> None:
    """The digest is of the value's JSON text; null stays null."""
    (record,) = records([RECORD], HASH)

    assert {
        "email": digest("Ada@example.com"),
        "name": "Ada",
        "tags": ["x"],
        "phone": None,
    } == cells(record)


def test_cells_are_hashed_beside_and_under_data() -> None:
    """A record's own key can be hashed, too, and twins of a name both are."""
    privacy = Privacy(hash_columns=frozenset({"id", "email"}), hash_key=b"key")
    (record,) = records([{"id": "ada", "email": 1, "data": {"email": {"work": "a"}}}], privacy)

    assert (f"id:{digest('ada')}", digest("ada")) == (record.record_key, record.record_id)
    assert {"email": digest(1), "data": {"email": digest({"work": "a"})}} == cells(record)


def test_an_error_that_quotes_a_hashed_cell_keeps_code_and_field() -> None:
    """In whatever case and wherever it quotes it; other errors keep their texts."""
    found = errors(RECORD, privacy=HASH)

    assert [
        ("c1", None, None, "email", None, {}),
        ("c2", None, None, None, None, {}),
        ("c3", "role is unknown", None, "role", None, {}),
    ] == [row[2:] for row in found]


@pytest.mark.parametrize("cell", [["Ada"], {"work": "Ada"}, True])
def test_a_hashed_cell_without_a_text_of_its_own_keeps_errors_bare(cell: object) -> None:
    """Whether an error quotes a part of it cannot be told."""
    (row,) = errors({"email": cell, "error": {"code": "c", "message": "Ada is taken"}}, privacy=HASH)

    assert ("c", None, {}) == (row.code, row.message, row.extra)


def test_an_empty_hashed_cell_leaves_errors_alone() -> None:
    """There is nothing to quote."""
    (row,) = errors({"email": "", "error": "email is empty"}, privacy=HASH)

    assert row.message == "email is empty"


@pytest.mark.parametrize(
    ("expected", "privacy"),
    [('{"dropped":true,"position":0}', DROP), ('{"hashed":"' + digest("ada@example.com") + '"}', HASH)],
)
def test_a_rejected_record_shows_no_cell(expected: str, privacy: Privacy) -> None:
    """Where cells cannot be told apart, all of them are dropped or hashed."""
    (found,) = RecordFlattener("i", privacy).rows(["ada@example.com"])

    assert isinstance(found, Rejected)
    assert expected == found.item


def test_the_hash_key_does_not_print_itself() -> None:
    """Neither repr nor str of the setting show the key."""
    assert "key'" not in repr(HASH)
    assert "b'" not in str(HASH)
