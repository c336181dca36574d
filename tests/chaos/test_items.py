"""Whatever an item is: it is loaded, or kept as rejected with a reason; its neighbours never suffer, nothing flaps."""

import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import DONE, PARTLY_DONE, SourceMalformed
from etl.jsontext import json_bytes, parse_json
from etl.load import versioned
from etl.sandbox import Sandbox, World, running
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import rules
from etl.sync.outcome import SyncOutcome
from etl.sync.run import Options
from etl.transform import columns
from etl.transform import records as transformer
from etl.transform.columns import parse_text
from etl.warehouse.ledger import OF_ALL
from tests import json_items
from tests.chaos.level import assert_case_fields, assert_imports, opened
from tests.chaos.trial import IMPATIENT, Trial, assert_succeeded, changes, messages

LONG, LONGEST = 5_000, 1_200
NOISE = "".join(Random(1).choices(string.ascii_letters, k=LONGEST))  # noqa: S311 - Postgres cannot compress it
REPLACEMENT = "\ufffd"


class Neighbours(NamedTuple):
    """A well-formed world, in which hostile items are put."""

    imports: list[Any]
    fields: list[Any]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Two imports and two fields that nothing is wrong with."""
    with running(world=World(imports=4, records=3, fields=3), per_page=4) as sandbox:
        yield sandbox


@pytest.fixture
def trial(trial: Trial) -> Trial:
    """An account with the longest possible name, which stands in every key."""
    trial.account = f"{trial.account}-{'x' * 62}"[:63].rstrip("-")
    return trial


@pytest.fixture
def neighbours(sandbox: Sandbox) -> Neighbours:
    """What must be there whatever stands beside it."""
    return Neighbours(sandbox.world.imports(), sandbox.world.case_fields())


def sync_twice(trial: Trial, neighbours: Neighbours, *, again: bool = True) -> SyncOutcome:
    """What the first sync comes to; the neighbours are level, and nothing flaps, not even when all is read again."""
    outcome = trial.sync()

    assert [] == outcome.failures
    assert outcome.exit_code == (PARTLY_DONE if trial.rows("rejected_items") else DONE)
    with opened(trial.url, trial.account) as warehouse:
        assert_imports(warehouse, neighbours.imports)
        assert_case_fields(warehouse, neighbours.fields)
    trial.assert_idle()
    if again:
        repeated = trial.sync(Options(full=True))
        assert {(0, 0, 0)} == {changes(repeated, resource) for resource in OF_ALL}
    return outcome


def reasons(trial: Trial) -> list[str]:
    """Why items were rejected."""
    return sorted(row["reason"] for row in trial.rows("rejected_items"))


# Ids and keys

KEPT = {
    "plain": "a",
    "a slash": "a/b",
    "slashes": "../../etc",
    "dots": "..",
    "one dot": ".",
    "quotes": "a'b\"c`d",
    "a backslash": "a\\b",
    "tabs and lines": "a\tb\nc\r\nd",
    "COPY's NULL": "\\N",
    "COPY's end": "\\.",
    "an escape": "a%2Fb%00%zz",
    "a question": "a?b#c&d=e;f",
    "a template": "{id}",
    "a placeholder": ":id",
    "a space": " ",
    "spaces around": "  a  ",
    "SQL": "'; DROP SCHEMA talkdesk CASCADE; --",
    "percent signs": "%s %(x)s %%",
    "braces of an array": '{a,"b",NULL}',
    "null in words": "null",
    "an emoji": "\U0001f600",
    "right to left": "\u202eabc",
    "combining": "e\u0301",
    "control characters": "\x01\x1f\x7f\x85",
    "non-characters": "\ufffe\uffff",
    "the longest": NOISE,
    "the longest in Chinese": "\u6f22" * (LONGEST // 3),
}
CLEANED = {
    "NUL": ("a\x00b", f"a{REPLACEMENT}b"),
    "only NUL": ("\x00", REPLACEMENT),
    "a lone surrogate": ("a\ud800b", f"a{REPLACEMENT}b"),
    "a number": (7, "7"),
    "a large number": (10**40, str(10**40)),
    "a fraction": (1.5, "1.5"),
}
REJECTED = {
    "none": (None, "its {} is null"),
    "the empty text": ("", "its {} is empty"),
    "a truth": (True, "its {} is neither text nor a number"),
    "a list": (["a"], "its {} is neither text nor a number"),
    "an object": ({"a": 1}, "its {} is neither text nor a number"),
    "5,000 characters": ("x" * LONG, "its {} has 5000 bytes, more than the 1200 that a key can hold"),
    "too long in Chinese": ("\u6f22" * 401, "its {} has 1203 bytes, more than the 1200 that a key can hold"),
}
GOOD = {name: (key, key) for name, key in KEPT.items()} | CLEANED


@pytest.mark.parametrize("name", GOOD)
def test_odd_ids(trial: Trial, neighbours: Neighbours, name: str) -> None:
    """Import, record, field and entry of that name are loaded, and asked for by it."""
    given_, stored = GOOD[name]
    record = {"id": given_, "line": 1, "Email": given_, "errors": [{"code": given_, "fields": [{"name": given_}]}]}
    trial.sandbox.world.put_import({"id": given_, "status": "COMPLETED", "filename": given_}, [record])
    trial.sandbox.world.put_field({"key": given_, "dict_list": [{"key": given_, "value": given_, "children": []}]})
    assert_succeeded(sync_twice(trial, neighbours))

    assert [stored] == [row["filename"] for row in trial.rows("imports") if row["import_id"] == stored]
    (row,) = [row for row in trial.rows("import_records") if row["import_id"] == stored]
    assert (stored, given_ if isinstance(given_, int) else row["data"]["Email"]) == (
        row["record_id"],
        row["data"]["Email"],
    )
    assert [(stored, stored)] == [
        (row["code"], row["field"]) for row in trial.rows("import_record_errors") if row["import_id"] == stored
    ]
    assert [([stored], stored)] == [
        (row["path"], row["label"]) for row in trial.rows("case_field_entries") if row["field_key"] == stored
    ]


@pytest.mark.parametrize("name", REJECTED)
def test_ids_that_are_none(trial: Trial, neighbours: Neighbours, name: str) -> None:
    """Import and field are rejected with a reason that quotes nothing; a record is loaded all the same."""
    given_, reason = REJECTED[name]
    trial.sandbox.world.put_import({"id": given_, "filename": "x"}, [{"a": 1}])
    trial.sandbox.world.put_import({"id": "good", "status": "COMPLETED"}, [{"id": given_, "a": 1}, {"id": given_}])
    trial.sandbox.world.put_field({"key": given_, "name": "x"})
    sync_twice(trial, neighbours)

    assert sorted([reason.format("id"), reason.format("key")]) == reasons(trial)
    records = [row["record_key"] for row in trial.rows("import_records") if row["import_id"] == "good"]
    assert ["position:0", "position:1"] == sorted(records)


@pytest.mark.parametrize("item", [None, 0, "text", [], [[]], {}, True, {"_links": None}, {"_links": "x"}])
def test_items_that_are_nothing(trial: Trial, neighbours: Neighbours, item: Any) -> None:
    """As import, record, field and entry; only a record needs no name."""
    trial.sandbox.world.put_import(item)
    trial.sandbox.world.put_import({"id": "good", "status": "COMPLETED", "total_records": 2}, [item, {"id": "r"}])
    trial.sandbox.world.put_field(item)
    trial.sandbox.world.put_field({"key": "good", "dict_list": [item, {"key": "e"}]})
    sync_twice(trial, neighbours)

    is_object = isinstance(item, dict)
    assert 4 - is_object == len(reasons(trial))
    assert all(re.search(r"(it is no object|it has no (id|key))$", reason) for reason in reasons(trial))
    assert 1 + is_object == sum(row["import_id"] == "good" for row in trial.rows("import_records"))
    assert ["e"] == [row["key"] for row in trial.rows("case_field_entries") if row["field_key"] == "good"]


# The same name twice


@pytest.mark.parametrize("apart", [0, 3], ids=["on one page", "on different pages"])
def test_the_same_import_twice(trial: Trial, apart: int) -> None:
    """With different content: the last one counts, in every run."""
    world = trial.sandbox.world
    twin = {"id": "twin", "status": "COMPLETED"}
    world.put_import(twin | {"filename": "second"}, [{"id": "r"}])
    for _ in range(apart):
        world.add_import(records=1)
    world.put_import(twin | {"filename": "first"}, [{"id": "r"}])
    imports = [each for each in world.imports() if each.id != "twin"]
    sync_twice(trial, Neighbours(imports, world.case_fields()))

    assert ["second"] == [row["filename"] for row in trial.rows("imports") if row["import_id"] == "twin"]
    assert 1 == sum(row["import_id"] == "twin" for row in trial.rows("imports_versions"))


def test_the_same_record_twice(trial: Trial, neighbours: Neighbours) -> None:
    """On one page and on different ones, in the disguise of another's key, equal or not: each has a row."""
    records = [{"id": "r", "a": 1}, {"id": "r", "a": 2}, {"id": "r", "line": 9}, {"id": "r", "line": 9, "a": 3}]
    records += [{"line": 9}, {"id": "line:9"}, {"id": "position:1"}, {"id": 9}, {}, {}, {"id": "r", "a": 1}]
    trial.sandbox.world.put_import({"id": "twins", "status": "COMPLETED"}, records)
    assert_succeeded(sync_twice(trial, neighbours))

    rows = sorted((row for row in trial.rows("import_records") if row["import_id"] == "twins"), key=_position)
    assert len(records) == len(rows)
    assert ["id:r", "position:1", "line:9", "position:3", "position:4", "id:line:9", "id:position:1", "id:9"] == [
        row["record_key"] for row in rows[:8]
    ]


def _position(row: dict[str, Any]) -> int:
    position: int = row["position"]
    return position


def test_the_same_field_twice(trial: Trial, neighbours: Neighbours) -> None:
    """With different trees: the last one counts, in every run."""
    for entry in ("first", "second"):
        trial.sandbox.world.put_field({"key": "twin", "name": entry, "dict_list": [{"key": entry}, {"value": entry}]})
    sync_twice(trial, neighbours)

    assert ["second"] == [row["key"] for row in trial.rows("case_field_entries") if row["field_key"] == "twin"]
    assert ["entry of case field 'twin': it has no key"] == reasons(trial)


def test_keys_twice_in_an_object(trial: Trial, neighbours: Neighbours) -> None:
    """The last one counts, as everywhere; keys that only cleaning made equal are both kept."""
    trial.sandbox.world.put_import({"id": "twin", "status": "COMPLETED", "a\x00": 1, f"a{REPLACEMENT}": 2}, [])
    twice = faulty.edit(lambda body: body.replace(b'"id":"twin"', b'"id":"x","id":"twin"'))
    trial.sandbox.faults.add(twice, path=rules.IMPORTS)
    assert_succeeded(sync_twice(trial, neighbours))

    (row,) = [row for row in trial.rows("imports") if row["import_id"] == "twin"]
    assert {1, 2} == set(row["extra"].values())


# Values

NUMBERS = b"""0 -0 -0.0 12 12.0 12.5 1e2 -1 9223372036854775807 9223372036854775808 -9223372036854775808
    -9223372036854775809 1e400 1e-400 1E131071 1e131072 1e-16383 1e-16384 0.1000000000000000055511151231257827
    123456789012345678901234567890.123456789 "12" "\\t12" "1e2" "" "x" true null [] {} [1] {"a":1}""".split()
DATES = [
    "2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05.123456789Z",
    "2024-01-02T03:04:05+05:30",
    "2024-01-02T03:04:05-0300",
    "2024-01-02T03:04:05",
    "2024-01-02",
    "2024-02-30",
    "2024-01-02T24:00:00Z",
    "2024-01-02T23:59:60Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0000-00-00",
    "10000-01-01",
    "-0044-03-15",
    "1704164645",
    "1704164645000",
    "infinity",
    "-infinity",
    "now",
    "today",
    "epoch",
    "NaN",
    "02/01/2024",
    "20240102T030405Z",
    "2024-W01-2",
    "2024-01-02T03:04:05+99:00",
    "2024-01-02T03:04:05Z[UTC]",
]
DATES += ["2024-01-02 03:04:05 UTC", "Tue, 02 Jan 2024 03:04:05 GMT", " 2024-01-02 ", "", "\x00", "\u0662\u0660"]
TEXTS = ["\x00", "\\u0000", "\ud800", "\ud83d\ude00", "a,b;c\td\r\ne", "\\N", "\\.", '"', "\\", "<script>", "%s {0}"]
OTHERS: list[Any] = [None, True, False, 0, -1, 1.5, [], {}, [None], [[[]]], {"": ""}, {"a": {"b": [1, {"c": None}]}}]
COUNTERS = ("total_records", "completed_records", "failed_records")
INSTANTS = ("created_at", "updated_at", "canceled_at")
WORDS = ("filename", "type", "status", "created_by", "updated_by", "canceled_by")


def assert_given_back(trial: Trial, items: list[dict[str, Any]]) -> None:
    """Whatever an import said is in a column or in `extra`."""
    rows = {row["import_id"]: row for row in trial.rows("imports")}
    for item in items:
        row = rows[item["id"]]
        said = {key for key, value in item.items() if value is not None and key not in {"id", "_links"}}
        columns = {key for key in (*COUNTERS, *INSTANTS, *WORDS) if row[key] is not None}
        assert said == columns | row["extra"].keys()
        assert set() == columns & row["extra"].keys()


@pytest.mark.parametrize("key", [COUNTERS[0], INSTANTS[0], WORDS[0], WORDS[2], "whatever", "export_criteria"])
def test_odd_values(trial: Trial, neighbours: Neighbours, key: str) -> None:
    """Of every column: it takes what it can read, `extra` the rest, and null is nothing."""
    values = [*OTHERS, *TEXTS, *DATES]
    items = [{"id": f"odd-{number}", key: value} for number, value in enumerate(values)]
    for item in items:
        trial.sandbox.world.put_import(item)
    assert_succeeded(sync_twice(trial, neighbours))

    assert_given_back(trial, items)


def test_odd_numbers(trial: Trial, neighbours: Neighbours) -> None:
    """Digit by digit, in columns, in `extra`, in cells and in errors."""
    for number, text in enumerate(NUMBERS):
        trial.sandbox.world.put_import({"id": f"odd-{number}", "total_records": f"@{number}@", "n": f"@{number}@"})
        records = [{"line": f"@{number}@", "n": f"@{number}@", "error": f"@{number}@", "id": f"@{number}@"}]
        trial.sandbox.world.put_import({"id": f"odd-{text!r}", "status": "COMPLETED"}, records)
    trial.sandbox.faults.add(faulty.edit(lambda body: re.sub(rb'"@(\d+)@"', lambda m: NUMBERS[int(m[1])], body)))
    assert_succeeded(sync_twice(trial, neighbours))

    rows = {row["import_id"]: row for row in trial.rows("imports")}
    for number, text in enumerate(NUMBERS):
        value = parse_json(text)
        expected = {} if value is None else {"n": value}
        assert expected == {key: found for key, found in rows[f"odd-{number}"]["extra"].items() if key == "n"}
    assert len(NUMBERS) == sum(row["import_id"].startswith("odd-b") for row in trial.rows("import_records"))


@pytest.mark.parametrize("key", ["errors", "error", "data", "line", "status", "id", "_links", "whatever"])
def test_odd_records(trial: Trial, neighbours: Neighbours, key: str) -> None:
    """Under every key of a record."""
    errors = ["text", 7, ["a", ["b", None]], {"code": []}, {"fields": "x"}, {"fields": {"name": 1}}]
    errors += [{"fields": [None, 3]}, [{"fields": [{"name": None}, {"description": {}}]}], {"fields": {"a": [1]}}]
    values = [*OTHERS, *TEXTS, *errors]
    trial.sandbox.world.put_import({"id": "odd", "status": "COMPLETED"}, [{key: value} for value in values])
    assert_succeeded(sync_twice(trial, neighbours))

    assert len(values) == sum(row["import_id"] == "odd" for row in trial.rows("import_records"))


@pytest.mark.parametrize("key", ["id", "name", "type", "description", "required", "active", "created_at", "update_at"])
def test_odd_fields(trial: Trial, neighbours: Neighbours, key: str) -> None:
    """Under every key of a case field."""
    values = [*OTHERS, *TEXTS, *DATES[:12], "TRUE", "false", "yes", 1]
    for number, value in enumerate(values):
        trial.sandbox.world.put_field({"key": f"odd-{number}", key: value})
    assert_succeeded(sync_twice(trial, neighbours))

    assert len(values) == sum(row["field_key"].startswith("odd-") for row in trial.rows("case_fields"))


# Trees


def chain(depth: int, *, size: int = 1) -> list[dict[str, Any]]:
    """A tree without branches; keys are that long."""
    nodes: list[dict[str, Any]] = []
    for level in range(depth, 0, -1):
        key = f"{level:0{size}d}"
        nodes = [{"key": key, "value": f"level {level}", "children": nodes or None}]
    return nodes


TREES: dict[str, tuple[Any, int, int]] = {
    "200 deep": (chain(200), 200, 0),
    "200 deep, long keys": (chain(200, size=400), 200, 0),
    "20,000 wide": ([{"key": str(number), "value": "x"} for number in range(20_000)], 20_000, 0),
    "keys of 4,000 characters": ([{"key": NOISE * 3 + str(number) * 400, "value": "x"} for number in range(9)], 9, 0),
    "long keys, 20 deep": (chain(20, size=4_000), 20, 0),
    "siblings with the same key": (
        [{"key": "k", "value": str(number), "children": [{"key": "k"}, {"key": "k"}]} for number in range(3)],
        9,
        0,
    ),
    "separators": (
        [
            {"key": "a/b"},
            {"key": "a", "children": [{"key": "b"}]},
            *({"key": separator, "children": [{"key": separator * 2}]} for separator in "/.>|,;:\\\x1f\x00 "),
            {"key": "0/a"},
            {"key": "1/0/a"},
        ],
        27,
        0,
    ),
    "the empty key": ([{"key": "", "children": [{"key": "", "children": [{"key": ""}]}]}, {"key": ""}], 4, 0),
    "keys that are numbers": ([{"key": 1}, {"key": "1"}, {"key": 1.0}, {"key": "001"}], 4, 0),
    "children that are a text": ([{"key": "a", "children": "b"}, {"key": "b"}], 2, 0),
    "children that are an object": ([{"key": "a", "children": {"key": "b"}}, {"key": "b"}], 2, 0),
    "children that are a number": ([{"key": "a", "children": 0}, {"key": "b", "children": False}], 2, 0),
    "nodes that are null": ([None, {"key": "a", "children": [None, {"key": "b"}, None]}], 2, 3),
    "nodes that are no objects": (["a", 1, [], [{"key": "x"}], True, {"key": "a"}], 1, 5),
    "nodes without key": ([{"value": "a", "children": [{"key": "b"}]}, {"key": None}, {"key": []}, {"key": "a"}], 1, 3),
    "no labels": ([{"key": "a", "value": None, "lable": []}, {"key": "b", "label": {}, "value": 7}], 2, 0),
    "a text": ("a", 0, 0),
    "an object": ({"key": "a"}, 0, 0),
    "nothing": (None, 0, 0),
    "an empty list": ([], 0, 0),
}


@pytest.mark.parametrize("name", TREES)
def test_odd_trees(trial: Trial, neighbours: Neighbours, name: str) -> None:
    """Every node has a row, or a reason why not; equal ones among the rejected are kept once."""
    tree, loaded, rejected = TREES[name]
    trial.sandbox.world.put_field({"key": "odd", "name": "x", "dict_list": tree})
    outcome = sync_twice(trial, neighbours, again=False)

    rows = [row for row in trial.rows("case_field_entries") if row["field_key"] == "odd"]
    assert (loaded, rejected) == (len(rows), outcome.accounts[0].resources["case_field_entries"].counts.rejected)
    assert len(rows) == len({(row["parent_id"], row["position"]) for row in rows})
    assert all(len(row["path"]) == len(row["labels"]) == row["depth"] for row in rows)
    assert all(re.fullmatch(r"entry of case field 'odd': (it|its) \w.*", reason) for reason in reasons(trial))


# Sizes


def nested(depth: int) -> Any:
    """Lists and objects in each other."""
    value: Any = "bottom"
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


SIZES: dict[str, Any] = {
    "900 deep": nested(900),
    "1 MB of escapes": '\x01\u2028\\"' * 250_000,
    "a key of 100 kB": {"k" * 100_000: 1},
    "20,000 keys": {f"key {number}": number for number in range(20_000)},
    "200,000 numbers": [7] * 200_000,
}


@pytest.mark.parametrize("name", SIZES)
def test_large_values(trial: Trial, neighbours: Neighbours, name: str) -> None:
    """In `extra`, in a cell, in an error, in a field and in an entry."""
    value = SIZES[name]
    world = trial.sandbox.world
    record = {"id": "r", "Email": value, "errors": [{"code": "c", "more": value}]}
    world.put_import({"id": "large", "status": "COMPLETED", "whatever": value}, [record])
    world.put_field({"key": "large", "more": value, "dict_list": [{"key": "e", "more": value}]})
    assert_succeeded(sync_twice(trial, neighbours))

    stored = parse_json(json_bytes(value))
    for table, key, column, cell in (
        ("imports", "import_id", "extra", "whatever"),
        ("import_records", "import_id", "data", "Email"),
        ("import_record_errors", "import_id", "extra", "more"),
        ("case_fields", "field_key", "extra", "more"),
        ("case_field_entries", "field_key", "extra", "more"),
    ):
        (row,) = [row for row in trial.rows(table) if row[key] == "large"]
        assert stored == row[column][cell]


def test_a_cell_of_10_mb(trial: Trial, neighbours: Neighbours) -> None:
    """It is loaded as it is, and compared with what is stored without trouble."""
    text = NOISE * 8_500
    trial.sandbox.world.put_import({"id": "large", "status": "COMPLETED"}, [{"id": "r", "Notes": text}, {"id": "s"}])
    assert_succeeded(sync_twice(trial, neighbours))

    assert [text] == [row["data"]["Notes"] for row in trial.rows("import_records") if row["record_id"] == "r"]


def test_larger_than_a_row(trial: Trial, neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Postgres could not hold is rejected before it can do harm."""
    monkeypatch.setattr(columns, "MAX_ROW_BYTES", 20_000)
    monkeypatch.setattr(transformer, "MAX_ROW_BYTES", 20_000)
    large, world = "x" * 20_001, trial.sandbox.world
    world.put_import({"id": "a", "status": "COMPLETED", "filename": large}, [{"id": "r"}])
    world.put_import({"id": "b", "status": "COMPLETED"}, [{"id": "r", "Email": large}, {"id": "s", "Email": "x"}])
    world.put_field({"key": "a", "more": large})
    world.put_field({"key": "b", "dict_list": [{"key": large}, {"key": "x"}]})
    sync_twice(trial, neighbours)

    assert ["case_fields", "case_fields", "import_records", "imports"] == sorted(
        row["resource"] for row in trial.rows("rejected_items")
    )
    assert {"it is longer than the 40 MB of JSON that a row can hold"} == set(reasons(trial))
    assert ["s"] == [row["record_id"] for row in trial.rows("import_records") if row["import_id"] == "b"]


def test_more_than_a_statement_can_take(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large rows travel in parts: together they would be more than one jsonb can hold."""
    text = b"x" * 30_000_000
    rows: dict[tuple[str, ...], bytes] = {(str(number),): text for number in range(9)}
    parts = versioned._parts(rows | {("a",): b"", ("b",): b""})
    assert [1] * 8 + [3] == [len(part) for part in parts]

    monkeypatch.setattr(versioned, "BYTES_PER_STATEMENT", 100)
    trial.load()
    trial.assert_recovers()


@pytest.mark.parametrize("depth", [930, 950, 960, 970, 980, 985, 990, 995, 1_000, 1_100, 5_000])
def test_as_deep_as_can_be(trial: Trial, neighbours: Neighbours, depth: int) -> None:
    """What is too deep to be read makes its answer unreadable; what can be read can be stored."""
    deep = b'{"k":' * depth + b"1" + b"}" * depth
    trial.sandbox.world.put_import({"id": "deep", "status": "COMPLETED"}, [])
    record = b'{"_embedded":{"records":[{"id":"r","Email":%s,"errors":[{"more":%s}]}]}}' % (deep, deep)
    trial.sandbox.faults.add(faulty.answer(record), path="/deep/records")
    field = b'[{"key":"k","more":%s,"dict_list":[{"key":"e","more":%s}]}]' % (deep, deep)
    trial.sandbox.faults.add(faulty.answer(field), path=rules.FIELDS)
    outcome = trial.sync(**IMPATIENT)

    assert {failure.exit_code for failure in outcome.failures} <= {SourceMalformed.exit_code}
    assert {failure.import_id for failure in outcome.failures} <= {"deep", None}
    with opened(trial.url, trial.account) as warehouse:
        assert_imports(warehouse, neighbours.imports)


# Anything


class HostileWorld(NamedTuple):
    """What a source might answer: imports with their records, and case fields, any JSON among them."""

    imports: list[tuple[Any, list[Any]]]
    fields: list[Any]


ids = st.sampled_from(["a", "b", "c/d", "\u00e9", "7"]) | json_items.values
records = json_items.objects("id", "line", "status", "data", "error", "errors") | json_items.values
imports = json_items.objects("id", "filename", "status", "type", "total_records", "created_at", "updated_at")
terminal = st.fixed_dictionaries({"id": ids, "status": st.sampled_from(["COMPLETED", "FAILED", "IN_PROGRESS"])})
nodes = st.recursive(
    json_items.values,
    lambda inner: st.fixed_dictionaries({"key": ids, "children": st.lists(inner, max_size=3) | json_items.values}),
    max_leaves=6,
)
fields = json_items.objects("id", "name", "type", "required", "active", "created_at", "update_at")
named = st.builds(
    lambda field, key, tree: field | {"key": key, "dict_list": tree}, fields, ids, st.lists(nodes, max_size=3)
)
worlds = st.builds(
    HostileWorld,
    st.lists(st.tuples(terminal | imports | json_items.values, st.lists(records, max_size=4)), max_size=5),
    st.lists(named | fields | json_items.values, max_size=4),
)


@contextmanager
def serving(sandbox: Sandbox, world: HostileWorld) -> Iterator[None]:
    """The sandbox answers with this world, and with nothing of its own."""
    sandbox.faults.clear()
    listed = []
    for number, (item, own) in enumerate(world.imports):
        linked = item | {"_links": {"records": {"href": f"/r/{number}"}}} if isinstance(item, dict) else item
        listed.append(linked)
        sandbox.faults.add(faulty.answer(json_bytes({"_embedded": {"records": own}})), path=f"/r/{number}$")
    answers = {rules.IMPORTS: {"_embedded": {"imports": listed}, "total": len(listed)}, rules.FIELDS: world.fields}
    for path, body in answers.items():
        sandbox.faults.add(faulty.answer(json_bytes(body)), path=path)
    yield
    sandbox.faults.clear()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(world=worlds)
def test_any_world(trial: Trial, world: HostileWorld) -> None:
    """It is loaded as far as it makes sense; the run ends with a code that is documented, and the next is idle."""
    account = replace(trial, account=f"any-{uuid4().hex[:12]}")
    with serving(trial.sandbox, world):
        first = account.sync(**IMPATIENT)
        before = account.snapshot()
        second = account.sync(**IMPATIENT)

        assert {first.exit_code, second.exit_code} <= {DONE, PARTLY_DONE, SourceMalformed.exit_code}
        assert {failure.exit_code for failure in first.failures} <= {SourceMalformed.exit_code}
        assert messages(first) == messages(second)
        assert before == account.snapshot()
    usable = {str(item["id"]) for item, _ in world.imports if isinstance(item, dict) and is_name(item.get("id"))}
    assert len(usable) == len(account.rows("imports"))
    counts = first.accounts[0].resources["imports"].counts
    assert len(world.imports) >= counts.inserted + counts.rejected


def is_name(value: object) -> bool:
    """True for what can be a key."""
    return parse_text(value) not in {None, ""}
