"""Nothing that arrives is lost, and how it arrives makes no difference."""

from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import MAX_KEY_BYTES, CaseFieldRow, ImportRow, Rejected
from etl.transform.case_fields import CaseField, case_field
from etl.transform.imports import import_row
from etl.transform.privacy import KEEP, Privacy
from etl.transform.records import RecordFlattener
from tests.json_items import objects, present, texts, values

DECODER = msgspec.json.Decoder(float_hook=Decimal)

IMPORT_COLUMNS = {name: name for name in ImportRow._fields} | {"id": "import_id"}
CASE_FIELD_COLUMNS = {name: name for name in CaseFieldRow._fields} | {
    "key": "field_key",
    "id": "field_id",
    "create_at": "created_at",
    "update_at": "updated_at",
}
RECORD_COLUMNS = {"id": "record_id", "line": "line", "line_number": "line", "status": "status"}

usable_keys = texts.filter(bool) | st.integers()
imports = st.builds(lambda item, key: item | {"id": key}, objects(*IMPORT_COLUMNS), usable_keys)
case_fields = st.builds(lambda item, key: item | {"key": key}, objects(*CASE_FIELD_COLUMNS, "dict_list"), usable_keys)
error_objects = objects("code", "message", "description", "field", "field_description", "fields")
errors = error_objects | st.lists(error_objects | values, max_size=3) | values
keyed_records = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "line:1", "1", 1, "", None, "x" * (MAX_KEY_BYTES + 1)]),
        "line": st.sampled_from([1, "1", 2, None, "x"]),
        "data": st.dictionaries(texts | st.sampled_from(["line", "email", "data"]), values, max_size=2),
        "email": values,
        "error": errors,
    },
)
records = keyed_records | objects("id", "line", "line_number", "status", "error", "errors", "data")


def flattened(items: list[Any], privacy: Privacy = KEEP) -> list[Any]:
    """What becomes of the records of one import."""
    return list(RecordFlattener("i", privacy).rows(items))


def means(stored: object, value: object) -> bool:
    """True if the column holds what the source sent, in the column's type."""
    if isinstance(stored, datetime):
        return stored == parse_instant(value)
    if isinstance(stored, bool):
        return str(stored).lower() == str(value).lower()
    return Decimal(str(value)) == stored if isinstance(stored, int) else str(value) == stored


def given_back(row: Any, left: dict[str, Any], item: dict[str, Any], columns: dict[str, str]) -> bool:
    """True if each key of the item is among what is left as it came, or else in its column."""
    return all(
        left[key] == value if key in left else means(getattr(row, columns[key]), value) for key, value in item.items()
    )


def leaves(value: object) -> set[str]:
    """Every text, number and boolean in the value, as text."""
    found, pending = set(), [value]
    while pending:
        first = pending.pop()
        if isinstance(first, dict):
            pending.extend(first.values())
        elif isinstance(first, list | tuple):
            pending.extend(first)
        elif first not in (None, ""):
            found.add(str(first))
    return found


@given(imports)
def test_columns_and_extra_give_an_import_back(item: dict[str, Any]) -> None:
    """But for links, and for null being the same as absent."""
    row = import_row(item)

    assert isinstance(row, ImportRow)
    assert given_back(row, row.extra, present(item), IMPORT_COLUMNS)
    assert row.extra.keys() <= present(item).keys()


@given(case_fields)
def test_columns_extra_and_entries_give_a_case_field_back(item: dict[str, Any]) -> None:
    """A dictionary that is a list is the entries' matter; anything else under its key stays in extra."""
    found = case_field(item)
    listed = isinstance(item.get("dict_list"), list)
    rest = {key: value for key, value in present(item).items() if key != "dict_list" or not listed}

    assert isinstance(found, CaseField)
    assert given_back(found.row, found.row.extra, rest, CASE_FIELD_COLUMNS)
    assert found.row.extra.keys() <= rest.keys()


@given(records)
def test_columns_and_cells_give_a_record_back(item: dict[str, Any]) -> None:
    """What was un-nested is found among the cells or, if it has a twin there, under `data`."""
    ((row, _),) = flattened([item])
    cells = DECODER.decode(row.data)
    nested = item["data"] if isinstance(item.get("data"), dict) else {}
    hidden = cells["data"] if isinstance(cells.get("data"), dict) else {}
    beside = {
        key: value
        for key, value in present(item).items()
        if key not in ("error", "errors") and not (key == "data" and isinstance(value, dict))
    }

    assert all(
        cells.get(key) == value or means(getattr(row, RECORD_COLUMNS[key]), value) for key, value in beside.items()
    )
    assert all(value in (cells.get(key), hidden.get(key)) for key, value in nested.items())
    assert cells.keys() <= item.keys() | nested.keys()


@given(st.lists(errors, min_size=1, max_size=2))
def test_rows_hold_every_word_of_an_error(sent: list[Any]) -> None:
    """Whatever its form: each text and number of it stands in a column or in extra."""
    ((_, rows),) = flattened([{"errors": [sent]}])

    assert leaves(sent) <= leaves([(*row[2:-1], DECODER.decode(row.extra)) for row in rows])
    assert list(range(len(rows))) == [row.error_no for row in rows]


@given(st.lists(records | values), st.sets(st.integers(0, 20)))
def test_any_split_into_pages_gives_the_same_rows(items: list[Any], cuts: set[int]) -> None:
    """Keys and positions go on from page to page."""
    flattener = RecordFlattener("i")
    edges = [0, *sorted(cut for cut in cuts if cut < len(items)), len(items)]
    pages = [items[start:end] for start, end in pairwise(edges)]

    assert flattened(items) == [row for page in pages for row in flattener.rows(page)]


@given(st.lists(records | values))
def test_every_item_is_a_record_or_rejected(items: list[Any]) -> None:
    """Keys are unique and short enough, positions count all items as they came, order is kept."""
    found = flattened(items)
    loaded = {position: row[0] for position, row in enumerate(found) if not isinstance(row, Rejected)}
    keys = [row.record_key for row in loaded.values()]

    assert len(items) == len(found)
    assert list(loaded) == [row.position for row in loaded.values()]
    assert len(keys) == len(set(keys))
    assert all(len(key.encode()) <= MAX_KEY_BYTES for key in keys)


@given(st.lists(records | values), imports, case_fields)
def test_flattening_is_deterministic_and_leaves_items_alone(
    items: list[Any], item: dict[str, Any], case_field_item: dict[str, Any]
) -> None:
    """The same item gives the same row, and is the same afterwards."""
    before = deepcopy([items, item, case_field_item])

    assert flattened(items) == flattened(items)
    assert import_row(item) == import_row(item)
    assert case_field(case_field_item) == case_field(case_field_item)
    assert before == [items, item, case_field_item]


@given(st.lists(records | values))
def test_dropping_keeps_keys_and_counts_and_nothing_else(items: list[Any]) -> None:
    """The rows are those that keeping gives, without cells and without texts of errors."""
    kept, dropped = flattened(items), flattened(items, Privacy(record_data="drop"))

    assert [type(row) for row in kept] == [type(row) for row in dropped]
    for (record, error_rows), (bare_record, bare_rows) in records_of(kept, dropped):
        assert record._replace(data=b"{}") == bare_record
        assert [row[:2] for row in error_rows] == [row[:2] for row in bare_rows]
        for row, bare in zip(error_rows, bare_rows, strict=True):
            assert bare.code in {row.code, None}
            assert bare.field in {row.field, None}
        assert {(None, None, None)} >= {(row.message, row.description, row.field_description) for row in bare_rows}
        assert {b"{}"} >= {row.extra for row in bare_rows}


def records_of(*flat: list[Any]) -> list[Any]:
    """The records of several flattenings of the same items, side by side."""
    return [pair for pair in zip(*flat, strict=True) if not isinstance(pair[0], Rejected)]


@given(
    texts.map("ada-".__add__),
    st.dictionaries(texts, values, max_size=2),
    st.sampled_from(["message", "description", "fields", "hint"]),
    st.booleans(),
)
def test_a_hashed_cell_is_found_nowhere(cell: str, cells: dict[str, Any], place: str, nested: bool) -> None:  # noqa: FBT001
    """Neither among the cells nor quoted by an error, whether as it is or in capitals."""
    quote = {place: [{"name": "email", "description": cell.upper()}] if place == "fields" else f"<{cell}>"}
    email = {"email": cell}
    item = cells | ({"data": email} if nested else email) | {"error": quote}
    privacy = Privacy(hash_columns=frozenset({"email"}), hash_key=b"key")
    ((record, rows),) = flattened([item], privacy)
    secret = json_text(cell)[1:-1].lower()

    assert secret not in record.data.decode().lower()
    assert secret not in json_text([row._replace(extra=msgspec.Raw(row.extra)) for row in rows]).lower()
