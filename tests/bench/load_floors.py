"""Loading rows that are ready: by COPY alone, and by a temporary table from which only what differs is written.

Each function is one measurement, to be run in a process of its own; it says the seconds of the part itself.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table

from etl import hal, tables, transformer
from etl.rows import EntryRow
from etl.transformer import CaseField
from tests.bench.data import CASE_FIELDS
from tests.bench.floors import Stopwatch, bodies, ready_rows
from tests.bench.packing import HEADER, TRAILER, integer, row, text
from tests.bench.shapes import SHAPES, Shape

_SLICE_BYTES = 256 * 1024
_COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
_COPY_TEXT = sql.SQL("COPY {} ({}) FROM STDIN")
_BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
_STAGE = sql.SQL("CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
_MERGE = sql.SQL(
    "INSERT INTO {table} ({columns}) SELECT {staged} FROM staged LEFT JOIN {table} AS stored USING ({key})"
    " WHERE {stored_key} IS NULL OR ({stored_cells}) IS DISTINCT FROM ({staged_cells})"
    " ON CONFLICT ({key}) DO UPDATE SET ({cells}) = ROW ({written})"
)
_UPSERT = sql.SQL(
    "INSERT INTO {table} ({columns}) SELECT {staged} FROM staged"
    " ON CONFLICT ({key}) DO UPDATE SET ({cells}) = ROW ({written})"
)
_MAKE_NODES = """
    CREATE TABLE public.nodes (
        field_key text, path text, key text, label text, depth integer, parent text, PRIMARY KEY (field_key, path)
    )
"""
_NODES = sql.Identifier("public", "nodes"), ("field_key", "path", "key", "label", "depth", "parent")


def copy(folder: Path, name: str, url: str) -> float:
    """The rows straight into the keyed table."""
    shape = SHAPES[name]
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        _copy(connection, shape.table, shape.columns, _slices(folder, shape))
        connection.commit()
    return watch.seconds


def upsert(folder: Path, name: str, url: str) -> float:
    """The rows into a temporary table, from there all of them into the keyed one."""
    return _by_staging(folder, SHAPES[name], url, _UPSERT)


def merge(folder: Path, name: str, url: str) -> float:
    """The rows into a temporary table, from there only those that differ into the keyed one."""
    return _by_staging(folder, SHAPES[name], url, _MERGE)


def trees(folder: Path, url: str) -> float:
    """The dictionaries of the case fields flattened and copied into a keyed table."""
    body = dict(bodies(folder))[CASE_FIELDS]
    with psycopg.connect(url) as connection:
        connection.execute(_MAKE_NODES)
        with Stopwatch() as watch:
            fields: list[dict[str, Any]] = msgspec.json.decode(body)
            rows = b"".join([_node_rows(field["key"], field["dict_list"]) for field in fields])
            _copy(connection, *_NODES, (HEADER, rows, TRAILER))
            connection.commit()
    return watch.seconds


def own_trees(folder: Path, url: str) -> float:
    """The same into this product's own tables, every column of them, with one version of each entry."""
    body = dict(bodies(folder))[CASE_FIELDS]
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        fields = [transformer.case_field(item) for item in hal.parse_json(body)]
        entries = [entry._asdict() for field in fields if isinstance(field, CaseField) for entry in field.entries]
        for table in (tables.case_field_entries, tables.case_field_entries_versions):
            _copy_values(connection, table, entries)
        connection.commit()
    return watch.seconds


def _copy_values(connection: psycopg.Connection[Any], table: Table, rows: list[dict[str, Any]]) -> None:
    names = [name for name in EntryRow._fields if name in table.columns]
    begin = ("valid_from",) if "valid_from" in table.columns else ()
    statement = _COPY_TEXT.format(sql.Identifier("talkdesk", table.name), _names(("account", *names, *begin)))
    with connection.cursor().copy(statement) as target:
        for each in rows:
            values = [Jsonb(each[name]) if name == "extra" else each[name] for name in names]
            target.write_row(("bench", *values, *(_BEGAN for _ in begin)))


def _node_rows(field_key: str, roots: list[dict[str, Any]]) -> bytes:
    found = []
    pending: list[tuple[dict[str, Any], int, str | None]] = [(node, 1, None) for node in roots]
    while pending:
        node, depth, parent = pending.pop()
        path = node["key"] if parent is None else f"{parent}/{node['key']}"
        cells = (text(field_key), text(path), text(node["key"]), text(node["value"]), integer(depth), text(parent))
        found.append(row(cells))
        pending += [(child, depth + 1, path) for child in node["children"]]
    return b"".join(found)


def _by_staging(folder: Path, shape: Shape, url: str, write: sql.SQL) -> float:
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        connection.execute(_STAGE.format(_names(shape.columns), shape.table))
        _copy(connection, sql.Identifier("staged"), shape.columns, _slices(folder, shape))
        connection.execute("ANALYZE staged")
        connection.execute(_filled(write, shape))
        connection.commit()
    return watch.seconds


def _filled(statement: sql.SQL, shape: Shape) -> sql.Composed:
    cells = [name for name in shape.columns if name not in shape.key]
    return statement.format(
        table=shape.table,
        columns=_names(shape.columns),
        key=_names(shape.key),
        cells=_names(cells),
        staged=_names(shape.columns, "staged"),
        stored_key=sql.Identifier("stored", shape.key[-1]),
        stored_cells=_names(cells, "stored"),
        staged_cells=_names(cells, "staged"),
        written=_names(cells, "excluded"),
    )


def _names(names: Iterable[str], *of: str) -> sql.Composed:
    return sql.SQL(", ").join([sql.Identifier(*of, name) for name in names])


def _copy(
    connection: psycopg.Connection[Any], table: sql.Identifier, columns: Iterable[str], rows: Iterable[bytes]
) -> None:
    with connection.cursor().copy(_COPY.format(table, _names(columns))) as target:
        for part in rows:
            target.write(part)


def _slices(folder: Path, shape: Shape) -> Iterable[bytes]:
    with ready_rows(folder, shape).open("rb") as rows:
        while part := rows.read(_SLICE_BYTES):
            yield part
