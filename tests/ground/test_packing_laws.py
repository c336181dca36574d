"""Rows are packed for COPY, and what was packed can be told; that Postgres reads them so is a law of the loader."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from etl.jsontext import json_text
from etl.packing import BLOCK_BYTES, Packed, blocks, key_of, pack_error, pack_record, told_error, told_record
from etl.rows import RecordErrorRow, RecordRow

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
bigints = st.integers(-(2**63), 2**63 - 1)
some = st.none() | texts
json = st.dictionaries(texts, st.integers(-9, 9) | texts, max_size=3).map(msgspec.json.encode)

records = st.builds(RecordRow, texts, some, st.none() | bigints, bigints, some, json)
errors = st.builds(RecordErrorRow, texts, st.integers(0, 2**31 - 1), some, some, some, some, some, json)


def told(row: RecordRow | RecordErrorRow) -> dict[str, Any]:
    cells = row._asdict() | {row._fields[-1]: msgspec.json.decode(row[-1])}
    return {name: cell for name, cell in cells.items() if cell is not None}


@given(records)
def test_a_record_can_be_told(row: RecordRow) -> None:
    """By its columns' names; what it lacks is left out."""
    assert told(row) == msgspec.json.decode(json_text(told_record(pack_record(row))))


@given(errors)
def test_an_error_can_be_told(row: RecordErrorRow) -> None:
    """The same."""
    assert told(row) == msgspec.json.decode(json_text(told_error(pack_error(row))))


@given(errors)
def test_an_error_says_whose_it_is(row: RecordErrorRow) -> None:
    assert row.record_key == key_of(pack_error(row))


@given(st.lists(st.integers(0, 2 * BLOCK_BYTES), max_size=30))
def test_blocks_hold_every_row_once(sizes: list[int]) -> None:
    """However many and long they are, in order, each behind the number of its cells and the keys; blocks stay short."""
    rows = [Packed(b"%d" % size + bytes(size)) for size in sizes]
    beginning = b"\0\2\0\0\0\3key"
    found = list(blocks(["key"], rows, cells=2))

    assert b"".join(beginning + row for row in rows) == b"".join(found)
    assert all(len(block) < 10 * BLOCK_BYTES for block in found)


def test_short_rows_share_a_block() -> None:
    """Each block costs a call of the driver."""
    assert 1 == len(list(blocks(["key"], [Packed(b"row")] * 1_000, cells=2)))
