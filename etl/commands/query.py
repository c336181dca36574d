"""One SQL statement against the warehouse, read-only in fact, its answer streamed.

Postgres judges the statement, never we its text: it runs in a read-only transaction whose mode can no longer
be changed, over the protocol that takes a single statement, and only if Postgres says that it returns rows,
which COPY, DO, SET and COMMIT do not; and it is rolled back. What functions do beside the tables is not covered: a
superuser reaches the server's files, other backends, dblink. docs/how-to/rights.md has a role that only reads.
"""

import html
import re
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain, islice
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import msgspec
import psycopg
from psycopg import capabilities, postgres
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.types.string import TextLoader
from sqlalchemy import Connection

from etl.commands.placeholders import numbered
from etl.commands.streams import while_read
from etl.commands.terminal import UNBOUNDED, console, shown
from etl.errors import DatabaseError, NotWritten, UsageError
from etl.warehouse import settings
from etl.warehouse.connections import driver_of, hang_up
from etl.warehouse.opening import read_only
from etl.warehouse.sqlstates import describe, is_lost
from etl.warehouse.tables import SCHEMA

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Cell = str | int | bool | msgspec.Raw | list[Any] | None
"""As Postgres writes it (instants in ISO 8601); numbers and JSON are `Raw`: exact, ready to be printed."""

SESSION = {"search_path": f"pg_catalog, {SCHEMA}, pg_temp"}
"""Not `public`: what others create there would run as whoever asks, wherever it fits better than Postgres's own."""

AS_IS = ("text", "varchar", "bpchar", "name", "int2", "int4", "int8", "oid", "bool")
ROWS_PER_FETCH = 500
ROWS_PER_TABLE = 1_000
CANCEL_SECONDS = 1.0
SPOOL_BYTES = 8_000_000
OURS = ("08", "40", "53", "55", "57", "58", "F0", "XX")
"""Classes of SQLSTATE that are not the statement's fault."""

_encode = msgspec.json.Encoder().encode


class Result(NamedTuple):
    """What a statement returns; the rows are still to be fetched."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Cell, ...]]
    close: Callable[[], object]
    """Ends the statement, wherever it is; a generator that waits for its collector holds the connection."""


BOM = "\ufeff"


def print_query(url: str, sql: str, form: str, *, values: Mapping[str, str] | None = None, bom: bool = False) -> None:
    """Print the answer on stdout in one of the forms; `object` is one JSON object, or nothing.

    `values` are bound to the names in the SQL. `bom` begins with the mark by which Excel knows UTF-8.
    """
    statement, bound = numbered(sql, values or {})
    if bom and form not in MARKED:
        raise UsageError(f"--bom goes with --format {' and '.join(MARKED)}: others are UTF-8 anyhow")
    if form == "xlsx" and sys.stdout.isatty():
        raise UsageError("a workbook is no text: lead stdout into a file, as in `--format xlsx … > answer.xlsx`")
    with (
        read_only(url) as connection,
        while_read(_canceller(driver_of(connection))),
        closing(run_query(connection, statement, bound)) as answer,
    ):
        if bom:
            sys.stdout.write(BOM)
        WRITERS[form](answer, sys.stdout)
        sys.stdout.flush()


def _canceller(driver: psycopg.Connection[Any]) -> Callable[[], None]:
    """Return a function that has the statement cancelled; called for longer than that takes, it hangs up."""
    called = list[float]()

    def cancel() -> None:
        called.append(time.monotonic())
        if called[-1] - called[0] > CANCEL_SECONDS:
            hang_up(driver)
        else:
            driver.cancel_safe(timeout=CANCEL_SECONDS)

    return cancel


def run_query(connection: Connection, sql: str, bound: Sequence[str] = ()) -> Result:
    """Return the statement's answer, its first row fetched; the connection is busy until the rows are read or closed.

    What is bound to `$1`, `$2` is text of a type that Postgres infers.
    """
    driver = driver_of(connection)
    statement = _encoded(sql, driver)
    with ExitStack() as unless_answered, _explained():
        unless_answered.callback(_end, connection, driver)
        _begin(driver)
        columns = _columns(driver, sql, statement, parameters=len(bound))
        rows = _rows(connection, driver, statement, bound)
        first = list(islice(rows, 1))  # most errors come with it, before anything was printed
        unless_answered.pop_all()
    return Result(columns, chain(first, rows), rows.close)


def _encoded(sql: str, driver: psycopg.Connection[Any]) -> bytes:
    try:
        statement = sql.encode(driver.info.encoding)
    except UnicodeEncodeError:
        raise UsageError("the SQL holds characters that the database cannot read") from None
    if b"\0" in statement:
        raise UsageError("the SQL holds a NUL character")
    return statement


def _begin(driver: psycopg.Connection[Any]) -> None:
    """Make the transaction read-only for good: the first statement that reads fixes its mode."""
    driver.rollback()
    settings.begin(driver, read_only=True, also=SESSION)


def _columns(driver: psycopg.Connection[Any], sql: str, statement: bytes, *, parameters: int) -> tuple[str, ...]:
    """Return the names of the columns, by Postgres's own reading of the statement; nothing is run."""
    server = driver.pgconn
    _require_success(server.prepare(b"", statement), driver, sql)
    found = server.describe_prepared(b"")
    _require_success(found, driver, sql)
    if not found.nfields:
        raise UsageError("the SQL returns no rows: only what reads is run (SELECT, VALUES, SHOW, EXPLAIN)")
    if found.nparams > parameters:
        raise UsageError("the SQL has placeholders ($1): name them, as in :name, and give --param name=value")
    return tuple((found.fname(n) or b"").decode(driver.info.encoding) for n in range(found.nfields))


def _require_success(result: PGresult, driver: psycopg.Connection[Any], sql: str) -> None:
    """Before anything was run, a message can quote nothing but the statement, so it is shown whole."""
    if result.status == ExecStatus.COMMAND_OK:
        return
    error = psycopg.errors.error_from_result(result, encoding=driver.info.encoding)
    if is_lost(error) or (error.sqlstate or "").startswith(OURS):
        raise DatabaseError(describe(error))
    raise UsageError(f"the SQL is wrong: {_message(error)}{_place(sql, error.diag.statement_position)}")


def _rows(
    connection: Connection, driver: psycopg.Connection[Any], statement: bytes, bound: Sequence[str]
) -> Generator[tuple[Cell, ...], None, None]:
    size = ROWS_PER_FETCH if capabilities.has_stream_chunked() else 1
    try:
        with _explained(), psycopg.RawCursor(driver) as cursor:
            _register_loaders(cursor)
            yield from cursor.stream(statement, bound or None, size=size)  # closed early, it cancels the statement
    finally:
        _end(connection, driver)


def _end(connection: Connection, driver: psycopg.Connection[Any]) -> None:
    """End the statement: nothing of it is left, and the connection is as it was, or known to be lost."""
    try:
        driver.rollback()
    except psycopg.Error:
        connection.invalidate()


@contextmanager
def _explained() -> Iterator[None]:
    """Translate an error of the driver inside into ours: what the server says to a role, that role may read."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if is_lost(error) or not state or state.startswith(OURS):
            raise DatabaseError(describe(error)) from None
        raise UsageError(f"the SQL failed: {_message(error)}") from None


def _message(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary or type(error).__name__, error.diag.message_hint)
    text = "; ".join(" ".join(part.split()) for part in parts if part)
    return f"{shown(text)} (SQLSTATE {error.sqlstate})"


def _place(sql: str, position: str | None) -> str:
    """Line and column of the position, which Postgres counts in characters from 1."""
    if position is None:
        return ""
    before = sql[: int(position) - 1]
    return f", at line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


# How cells arrive


class _Number(Loader):
    """The digits as they come; JSON has no word for the values that are no number."""

    def load(self, data: Buffer) -> Cell:
        text = bytes(data)
        return text.decode() if b"n" in text.lower() else msgspec.Raw(text)


class _Json(Loader):
    def load(self, data: Buffer) -> Cell:
        return msgspec.Raw(bytes(data))


class _Instant(Loader):
    """ISO 8601; what has no such form (infinity, BC) stays as it is."""

    def load(self, data: Buffer) -> Cell:
        text = bytes(data).decode().replace(" ", "T", 1)
        return f"{text[:-3]}Z" if text.endswith("+00") else text


LOADERS: dict[str, type[Loader]] = {
    **dict.fromkeys(("float4", "float8", "numeric"), _Number),
    **dict.fromkeys(("json", "jsonb"), _Json),
    **dict.fromkeys(("timestamp", "timestamptz"), _Instant),
}


def _register_loaders(cursor: psycopg.Cursor[Any]) -> None:
    """Python has no value for the year 12000, an infinity or a month's interval: cells stay text."""
    for kind in postgres.types:
        if kind.name not in AS_IS:
            cursor.adapters.register_loader(kind.oid, LOADERS.get(kind.name, TextLoader))


# How answers are written


def write_csv(answer: Result, out: TextIO) -> None:
    """RFC 4180, in which NULL is empty and an empty text is in quotes; arrays and JSON are JSON."""
    _write_lines(answer, out, ",")


def write_tsv(answer: Result, out: TextIO) -> None:
    """Write the same with tabs, as spreadsheets take it from the clipboard."""
    _write_lines(answer, out, "\t")


def _write_lines(answer: Result, out: TextIO, between: str) -> None:
    """Not by the csv module: before Python 3.12 it has no way to tell NULL from an empty text."""
    out.writelines(
        between.join(_quoted(cell, between) for cell in row) + "\r\n" for row in chain([answer.columns], answer.rows)
    )


def _quoted(cell: Cell, between: str) -> str:
    if cell is None:
        return ""
    text = _plain(cell)
    is_safe = text and not any(character in text for character in ('"', "\r", "\n", between))
    return text if is_safe else '"{}"'.format(text.replace('"', '""'))


def write_jsonl(answer: Result, out: TextIO) -> None:
    """Write an object per row and line."""
    names = _distinct(answer.columns)
    out.writelines(_encode(dict(zip(names, row, strict=True))).decode() + "\n" for row in answer.rows)


def write_markdown(answer: Result, out: TextIO) -> None:
    """Write a table for an issue or a chat; NULL stands in italics."""
    _write_markdown(answer.columns, out)
    _write_markdown(("---",) * len(answer.columns), out)
    for row in answer.rows:
        _write_markdown(("*NULL*" if cell is None else _escaped(_plain(cell)) for cell in row), out, is_ready=True)


def _write_markdown(cells: Iterable[str], out: TextIO, *, is_ready: bool = False) -> None:
    out.write(f"| {' | '.join(cells if is_ready else map(_escaped, cells))} |\n")


def _escaped(text: str) -> str:
    """Return what neither ends the cell nor formats it."""
    signs = re.sub(r"([\\|*_`\[\]~])", r"\\\1", html.escape(text, quote=False))
    return shown(re.sub(r"\r\n|\r|\n", "<br>", signs).replace("\0", ""))


def write_xlsx(answer: Result, out: TextIO) -> None:
    """Write a workbook, once all rows are there."""
    try:
        from etl.commands.sheet import write_sheet  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise UsageError("this needs an extra: pip install 'talkdesk-etl[xlsx]'") from None
    with _kept():
        write_sheet(answer.columns, answer.rows, out.buffer)


def write_json(answer: Result, out: TextIO) -> None:
    """Write an array with an object per row, as rows arrive."""
    _write_array(answer, out.write)
    out.write("\n")


def write_object(answer: Result, out: TextIO) -> None:
    """Write one object, only when all rows are there: an error on the way leaves nothing half said."""
    with _kept(), SpooledTemporaryFile(SPOOL_BYTES, "w+", encoding="utf-8", newline="") as spool:
        spool.write(f'{{"columns": {_encode(answer.columns).decode()}, "rows": ')
        _write_array(answer, spool.write)
        spool.write("}\n")
        spool.seek(0)
        shutil.copyfileobj(spool, out)


@contextmanager
def _kept() -> Iterator[None]:
    """Translate a failure of the disk on which an answer is kept until it is whole."""
    try:
        yield
    except OSError as error:
        raise NotWritten(
            f"the answer could not be kept in a temporary file: {error.strerror}; TMPDIR names the folder for them"
        ) from None


def _write_array(answer: Result, write: Callable[[str], object]) -> None:
    names = _distinct(answer.columns)
    before = "[\n"
    for row in answer.rows:
        write(before + _encode(dict(zip(names, row, strict=True))).decode())
        before = ",\n"
    write("[]" if before == "[\n" else "\n]")


def _distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, repeated ones numbered: an object holds each name once."""
    names: list[str] = []
    for name in columns:
        fresh = chain([name], (f"{name}_{n}" for n in range(2, len(columns) + 2)))
        names.append(next(each for each in fresh if each not in names))
    return tuple(names)


def write_table(answer: Result, out: TextIO) -> None:
    """For people: row by row where the terminal is too narrow; as wide as need be when nobody looks."""
    screen = console(out)
    count = 0
    for rows in _batches(answer.rows):
        _print_rows(screen, answer.columns, rows, count)
        count += len(rows)
    screen.print(f"({count} {'row' if count == 1 else 'rows'})")


def _batches(rows: Iterator[tuple[Cell, ...]]) -> Iterator[list[tuple[Cell, ...]]]:
    """Yield the rows in lists that memory holds, the first one even if there are none."""
    batch = list(islice(rows, ROWS_PER_TABLE))
    yield batch
    while batch := list(islice(rows, ROWS_PER_TABLE)):
        yield batch


def _print_rows(console: "Console", columns: tuple[str, ...], rows: list[tuple[Cell, ...]], before: int) -> None:
    table = _table(columns, rows)
    if console.measure(table, options=console.options.update_width(UNBOUNDED)).maximum <= console.width:
        console.print(table)
        return
    for number, row in enumerate(rows, before + 1):
        console.print(f"row {number}", style="bold", markup=False)
        console.print(_tall(columns, row))


def _table(columns: tuple[str, ...], rows: list[tuple[Cell, ...]]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - see write_table

    table = Table(box=None, pad_edge=False)
    for n, name in enumerate(columns):
        right = any(_is_number(row[n]) for row in rows)
        table.add_column(_text(name), justify="right" if right else "left")
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _tall(columns: tuple[str, ...], row: tuple[Cell, ...]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - see write_table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in zip(columns, row, strict=True):
        table.add_row(_text(name), _text(cell))
    return table


def _text(cell: Cell) -> "Text":
    """Return what a terminal prints and does not obey."""
    from rich.text import Text  # noqa: PLC0415 - see write_table

    return Text("NULL", style="dim") if cell is None else Text(shown(_plain(cell)))


def _is_number(cell: Cell) -> bool:
    if isinstance(cell, msgspec.Raw):
        return bytes(cell)[:1] in b"-0123456789"
    return isinstance(cell, int) and not isinstance(cell, bool)


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else _encode(cell).decode()


MARKED = ("csv", "tsv")
WRITERS: dict[str, Callable[[Result, TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_jsonl,
    "markdown": write_markdown,
    "xlsx": write_xlsx,
    "json": write_json,
    "object": write_object,
}
