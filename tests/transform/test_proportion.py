"""What is made of an item stays in proportion to it."""

import tracemalloc
from typing import Any

import pytest

from etl.jsontext import json_bytes
from etl.reading.case_fields import CaseFields
from etl.rows import Rejected
from etl.transform.proportion import REASON, RESERVE_BYTES, TIMES
from etl.transform.records import RecordFlattener

LONG = "x" * 60_000
MANY = 10_000
GOOD = {"key": "good", "dict_list": [{"key": "A", "children": [{"key": "A1"}]}]}


def chain(depth: int, node: dict[str, Any], below: list[Any]) -> list[Any]:
    """Nodes that hang on each other, and what hangs on the last."""
    for _ in range(depth):
        below = [{**node, "children": below}]
    return below


def leaves(number: int) -> list[Any]:
    """Nodes of a level."""
    return [{"key": str(each)} for each in range(number)]


PRODUCTS: dict[str, dict[str, Any]] = {
    "message x fields": {"message": LONG, "fields": [{"name": "n"}] * MANY},
    "code x names": {"code": LONG, "fields": ["n"] * MANY},
    "description x fields by name": {"description": LONG, "fields": dict.fromkeys(map(str, range(MANY)), "no")},
    "unknown key x fields": {"more": ["x" * 100] * 1_000, "fields": ["n"] * MANY},
    "many keys x fields": {**dict.fromkeys(map(str, range(MANY)), 1), "fields": ["n"] * MANY},
}
TREES = {
    "long key x children": [{"key": LONG, "children": leaves(MANY)}],
    "long label x children": [{"key": "k", "value": LONG, "children": leaves(MANY)}],
    "long path x leaves": chain(20, {"key": "k" * 5_000}, leaves(4_000)),
    "depth x depth": chain(480, {"key": "k" * 2_000, "value": "v" * 2_000}, []),
    "short keys, deep x wide": chain(480, {"key": ""}, leaves(MANY)),
}


@pytest.mark.parametrize("kind", PRODUCTS)
def test_an_error_times_its_fields_is_bounded(kind: str) -> None:
    """The record is rejected before its rows are all made; its neighbours are rows."""
    bad = {"id": "bad", "errors": [PRODUCTS[kind]]}
    tracemalloc.start()
    found = list(RecordFlattener("i").rows([{"id": "a"}, bad, {"id": "b", "error": {"fields": ["n"] * 100}}]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [False, True, False] == [isinstance(row, Rejected) for row in found]
    assert isinstance(found[1], Rejected)
    assert REASON == found[1].reason
    assert peak < 2 * (TIMES * len(json_bytes(bad)) + RESERVE_BYTES)


def test_many_records_have_no_more_than_one() -> None:
    """What is beyond the bound of each comes out of one reserve."""
    error = {"message": "m" * 2_000, "fields": ["n"] * 500}
    found = list(RecordFlattener("i").rows([{"id": str(number), "error": error} for number in range(100)]))
    rows = sum(len(row[1]) * 2_000 for row in found if not isinstance(row, Rejected))

    assert isinstance(found[-1], Rejected)
    assert rows < 100 * TIMES * len(json_bytes(error)) + RESERVE_BYTES


def test_wordy_errors_of_many_fields_are_rows() -> None:
    """Twenty fields in each of a thousand records."""
    error = {"code": "E-1", "message": "m" * 300, "fields": [{"name": f"Column {n}"} for n in range(20)]}
    found = list(RecordFlattener("i").rows([{"id": str(number), "error": error} for number in range(1_000)]))

    assert not any(isinstance(row, Rejected) for row in found)


@pytest.mark.parametrize("kind", TREES)
def test_a_tree_times_its_paths_is_bounded(kind: str) -> None:
    """The field is rejected, what is stored of it is not gone, and its neighbours are rows."""
    fields = CaseFields()
    bad = {"key": "bad", "dict_list": TREES[kind]}
    size = len(json_bytes(bad))
    tracemalloc.start()
    fields.add([bad, dict(GOOD)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [REASON] == [rejected.reason for rejected in fields.rejected.values()]
    assert [("good",)] == list(fields.rows)
    assert {"bad"} == fields.unreadable
    assert peak < 2 * (TIMES * size + RESERVE_BYTES)


def test_large_and_deep_trees_are_rows() -> None:
    """As large as no account is known to have one."""
    fields = CaseFields()
    wide = [{"key": f"{n:03}", "value": "v" * 100, "children": leaves(100)} for n in range(200)]
    deep = chain(30, {"key": "0f8a2b1c", "value": "a label of thirty characters.."}, leaves(1_000))
    fields.add([{"key": "wide", "dict_list": wide}, {"key": "deep", "dict_list": deep}])

    assert {} == fields.rejected
    assert 20_200 + 1_030 == len(fields.entries)
