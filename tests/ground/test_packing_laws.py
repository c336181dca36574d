"""Rows are packed for COPY and come back as they were; that Postgres reads them so is a law of the loader."""

from hypothesis import given
from hypothesis import strategies as st

from etl.packing import BLOCK_BYTES, Packed, blocks, pack_error, pack_record, unpack_error, unpack_record
from etl.rows import RecordErrorRow, RecordRow

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
bigints = st.integers(-(2**63), 2**63 - 1)
some = st.none() | texts
json = st.binary(max_size=300)

records = st.builds(RecordRow, texts, some, st.none() | bigints, bigints, some, json)
errors = st.builds(RecordErrorRow, texts, st.integers(0, 2**31 - 1), some, some, some, some, some, json)


@given(records)
def test_a_record_comes_back(row: RecordRow) -> None:
    assert row == unpack_record(pack_record(row))


@given(errors)
def test_an_error_comes_back(row: RecordErrorRow) -> None:
    assert row == unpack_error(pack_error(row))


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
