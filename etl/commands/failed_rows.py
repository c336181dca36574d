"""The failed rows of an import as the CSV that was uploaded: to correct, and to upload again."""

import csv
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import IO, Any, NamedTuple

from sqlalchemy import Connection, Row

from etl.commands.files import replacing
from etl.errors import UsageError, one_line
from etl.jsontext import json_text, parse_json
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated

log = logging.getLogger(__name__)

OF_ERRORS = ("error_code", "error_message", "error_field")
BETWEEN = "; "
ROWS_PER_FETCH = 1_000


class FailedRows(NamedTuple):
    """The import, its header, and its failed rows, which are read as they are asked for."""

    found: Row[Any]
    columns: Sequence[str]
    rows: Iterator[list[str]]

    def identity(self) -> dict[str, Any]:
        """Return which import it is, and the columns, as JSON tells it."""
        found = {name: getattr(self.found, name) for name in ("account", "import_id", "filename")}
        return {**found, "columns": list(self.columns)}

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `failed-rows --json`; each row has a cell for each column."""
        return {**self.identity(), "rows": list(self.rows)}


def read_failed_rows(connection: Connection, name: str, *, account: str | None, with_errors: bool) -> FailedRows:
    """Read the failed rows of the import of that id, or of the newest of that file name."""
    with translated():
        found = _found(connection, name, account)
        _require_cells(found)
        columns = found.record_columns
        if columns is None:
            columns = _columns_stored(connection, found) if found.records_loaded else []
        rows = (_cells(record, columns, with_errors=with_errors) for record in _records(connection, found))
        return FailedRows(found, [*columns, *(OF_ERRORS if with_errors else ())], rows)


def write_failed_rows(failed: FailedRows, out: str | None) -> int:
    """Write them as CSV to the file of that name, else to stdout; says how many rows failed."""
    with replacing(out) if out is not None else nullcontext(sys.stdout.buffer) as file, translated():
        writer = csv.writer(_Utf8(file))
        if failed.columns:
            writer.writerow(failed.columns)
        number = 0
        for row in failed.rows:
            writer.writerow(row)
            number += 1
    _say_what_lacks(failed.found, number)
    return number


class _Utf8:
    """Where a CSV goes as it is to be uploaded, whatever the terminal's encoding."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode("utf-8", "replace"))


def _found(connection: Connection, name: str, account: str | None) -> Row[Any]:
    asked = {"name": name.replace("\0", ""), "account": account}
    found = connection.execute(statement("imports_called"), asked).all()
    where = "" if account is None else f" of account {one_line(account)}"
    if not found:
        raise UsageError(f"no import{where} has the id or the file name {one_line(name)!r}")
    if len(found) > 1:
        accounts = ", ".join(one_line(each.account) for each in found)
        raise UsageError(f"{one_line(name)!r} is an import of several accounts: --account with one of {accounts}")
    return found[0]


def _require_cells(found: Row[Any]) -> None:
    """Raise unless the cells are here as they were uploaded."""
    if found.erased and found.erased >= (found.records_loaded or 0):
        raise UsageError(
            f"the cells of import {one_line(found.import_id)} were erased (erase, or TALKDESK_RECORD_KEEP_DAYS): "
            "there is no row left"
        )
    kept = (found.records_privacy or "keep").split()
    if kept == ["keep"]:
        return
    how = "dropped (TALKDESK_RECORD_DATA)" if kept[0] == "drop" else "hashed (TALKDESK_HASH_COLUMNS)"
    raise UsageError(
        f"the cells of import {one_line(found.import_id)} were {how} when it was read: there is no row left"
    )


def _columns_stored(connection: Connection, found: Row[Any]) -> list[str]:
    """Return the columns in no order of the file: an older version has read it, and their order was not kept."""
    log.warning(
        "the order of the columns of import %s is not known: sync --full finds it while the source has the import",
        found.import_id,
    )
    one = {"account": found.account, "import_id": found.import_id}
    return list(connection.scalars(statement("columns_of_import"), one))


def _records(connection: Connection, found: Row[Any]) -> Iterator[Row[Any]]:
    one = {"account": found.account, "import_id": found.import_id}
    yield from connection.execute(statement("failed_records"), one, execution_options={"yield_per": ROWS_PER_FETCH})


def _cells(record: Row[Any], columns: Sequence[str], *, with_errors: bool) -> list[str]:
    data = parse_json(record.data.encode())
    # What stood beside the cells under one of their names has hidden the cell, which then stays under `data`.
    hidden = data["data"] if isinstance(data.get("data"), dict) else {}
    cells = [_text(hidden.get(name, data.get(name))) for name in columns]
    if not with_errors:
        return cells
    return [*cells, *(_together(values) for values in (record.codes, record.messages, record.fields))]


def _text(value: object) -> str:
    """Return the cell as text: as it is, empty where there is none, else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value)


def _together(values: Sequence[str | None] | None) -> str:
    """Return what several errors say in one cell, each once."""
    return BETWEEN.join(dict.fromkeys(value for value in values or () if value))


def _say_what_lacks(found: Row[Any], number: int) -> None:
    lacking = (found.failed_records or 0) - number
    if found.erased:
        log.warning("import %s: %d of its records were erased, and are not among these", found.import_id, found.erased)
    elif lacking > 0:
        why = "the source gave no more of them" if found.records_loaded_at else "not all of its records are here yet"
        log.warning("import %s: %d failed rows are not among these: %s", found.import_id, lacking, why)
