"""Loading rows that are ready: by COPY alone, and by a temporary table from which only what differs is written.

Each function is one measurement, to be run in a process of its own; it says the seconds of the part itself.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.bench.floors import Stopwatch, ready_rows
from tests.bench.shapes import SHAPES, Shape

_SLICE_BYTES = 256 * 1024
_COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
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


def copy(folder: Path, name: str, url: str) -> float:
    """The rows straight into the keyed table."""
    shape = SHAPES[name]
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        copy_rows(connection, shape.table, shape.columns, _slices(folder, shape))
        connection.commit()
    return watch.seconds


def upsert(folder: Path, name: str, url: str) -> float:
    """The rows into a temporary table, from there all of them into the keyed one."""
    return _by_staging(folder, SHAPES[name], url, _UPSERT)


def merge(folder: Path, name: str, url: str) -> float:
    """The rows into a temporary table, from there only those that differ into the keyed one."""
    return _by_staging(folder, SHAPES[name], url, _MERGE)


def _by_staging(folder: Path, shape: Shape, url: str, write: sql.SQL) -> float:
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        connection.execute(_STAGE.format(names_of(shape.columns), shape.table))
        copy_rows(connection, sql.Identifier("staged"), shape.columns, _slices(folder, shape))
        connection.execute("ANALYZE staged")
        connection.execute(_filled(write, shape))
        connection.commit()
    return watch.seconds


def _filled(statement: sql.SQL, shape: Shape) -> sql.Composed:
    cells = [name for name in shape.columns if name not in shape.key]
    return statement.format(
        table=shape.table,
        columns=names_of(shape.columns),
        key=names_of(shape.key),
        cells=names_of(cells),
        staged=names_of(shape.columns, "staged"),
        stored_key=sql.Identifier("stored", shape.key[-1]),
        stored_cells=names_of(cells, "stored"),
        staged_cells=names_of(cells, "staged"),
        written=names_of(cells, "excluded"),
    )


def names_of(names: Iterable[str], *of: str) -> sql.Composed:
    """The names as a list of columns, of a table if one is given."""
    return sql.SQL(", ").join([sql.Identifier(*of, name) for name in names])


def copy_rows(
    connection: psycopg.Connection[Any], table: sql.Identifier, columns: Iterable[str], rows: Iterable[bytes]
) -> None:
    """Afterwards the rows, packed already, are in the table."""
    with connection.cursor().copy(_COPY.format(table, names_of(columns))) as target:
        for part in rows:
            target.write(part)


def _slices(folder: Path, shape: Shape) -> Iterable[bytes]:
    with ready_rows(folder, shape).open("rb") as rows:
        while part := rows.read(_SLICE_BYTES):
            yield part
