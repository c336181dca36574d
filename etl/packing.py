"""Rows of records in the binary format of Postgres' COPY: packed once, where they are made, then only passed on.

A packed row is its cells: of each the length, and so many bytes (PostgreSQL's documentation of COPY, "Binary Format").
What all rows of an import have in common is put before each of them on the way into the database.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NewType

from msgspec import Raw

from etl.rows import RecordErrorRow, RecordRow

Packed = NewType("Packed", bytes)

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
BLOCK_BYTES = 100_000

_count = struct.Struct("!h").pack
_length = struct.Struct("!i")
_integer = struct.Struct("!ii").pack
_bigint = struct.Struct("!iq").pack
_length_and_version = struct.Struct("!iB").pack
_NULL = _length.pack(-1)
_TEXTS = frozenset({"message", "description", "field_description"})


def pack_record(row: RecordRow) -> Packed:
    """Pack the cells of a record, in the order of `RecordRow`."""
    key, record_id, line, position, status, data = row
    cells = (
        _text(key),
        _text(record_id),
        _NULL if line is None else _bigint(8, line),
        _bigint(8, position),
        _text(status),
        _jsonb(data),
    )
    return Packed(b"".join(cells))


def pack_error(row: RecordErrorRow) -> Packed:
    """Pack the cells of a record's error, in the order of `RecordErrorRow`."""
    key, number, *texts, extra = row
    return Packed(b"".join((_text(key), _integer(4, number), *map(_text, texts), _jsonb(extra))))


def blank_record(record: Packed) -> Packed:
    """Return the record without its cells."""
    *cells, _ = _cells(record)
    return Packed(b"".join((*map(_cell, cells), _jsonb(b"{}"))))


def blank_error(error: Packed) -> Packed:
    """Return the error without its texts and what no column took."""
    named = zip(RecordErrorRow._fields, _cells(error), strict=True)
    cells = [_NULL if name in _TEXTS else _cell(cell) for name, cell in named]
    return Packed(b"".join((*cells[:-1], _jsonb(b"{}"))))


def key_of(packed: Packed) -> str:
    """Return the record's key, the first cell of a record and of its errors."""
    key: bytes = next(_cells(packed))
    return key.decode()


def told_record(record: Packed) -> dict[str, Any]:
    """Return a packed record by its columns' names, ready to become JSON; what is NULL is left out."""
    return _told(record, RecordRow._fields, _RECORD_CELLS)


def told_error(error: Packed) -> dict[str, Any]:
    """Return the same of an error."""
    return _told(error, RecordErrorRow._fields, _ERROR_CELLS)


def _told(packed: Packed, names: Sequence[str], readers: Sequence[Callable[[bytes], Any]]) -> dict[str, Any]:
    cells = zip(names, readers, _cells(packed), strict=True)
    return {name: read(cell) for name, read, cell in cells if cell is not None}


def blocks(keys: Sequence[str], rows: Sequence[Packed], *, cells: int) -> Iterator[bytes]:
    """Yield the rows as they go into COPY, each of so many cells, the keys first; in blocks of about `BLOCK_BYTES`."""
    beginning = _count(cells) + b"".join(map(_text, keys))
    size = sum(map(len, rows)) + len(rows) * len(beginning)
    number = max(BLOCK_BYTES * len(rows) // size, 1) if size else 1
    for start in range(0, len(rows), number):
        yield beginning + beginning.join(rows[start : start + number])


def _cell(cell: bytes | None) -> bytes:
    return _NULL if cell is None else _length.pack(len(cell)) + cell


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return _length.pack(len(encoded)) + encoded


def _jsonb(text: bytes) -> bytes:
    return _length_and_version(len(text) + 1, 1) + text


def _cells(packed: Packed) -> Iterator[Any]:
    """Yield each cell's bytes, None for NULL."""
    position = 0
    while position < len(packed):
        (length,) = _length.unpack_from(packed, position)
        position += _length.size
        yield None if length < 0 else packed[position : position + length]
        position += max(length, 0)


def _int(cell: bytes) -> int:
    return int.from_bytes(cell, "big", signed=True)


def _json(cell: bytes) -> Raw:
    return Raw(cell[1:])


_RECORD_CELLS: tuple[Callable[[bytes], Any], ...] = (bytes.decode, bytes.decode, _int, _int, bytes.decode, _json)
_ERROR_CELLS: tuple[Callable[[bytes], Any], ...] = (bytes.decode, _int, *[bytes.decode] * 5, _json)
