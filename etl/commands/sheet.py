"""The answer of a query as a workbook of Excel, written row by row; what a sheet cannot hold is refused, never cut."""

import shutil
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

import msgspec
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from etl.errors import UsageError

Cell = str | int | bool | msgspec.Raw | list[object] | None

ROWS = 1_048_576
CHARACTERS = 32_767
EXACT_DIGITS = 15
AS_TEXT = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
ELSE = "--format csv has room for all"


def write_sheet(columns: Sequence[str], rows: Iterator[Sequence[Cell]], out: IO[bytes]) -> None:
    """Write it, once it is whole: texts stay texts, instants too, so that no time zone is taken for another."""
    with TemporaryDirectory() as folder, TemporaryFile() as file:
        book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": folder, **AS_TEXT})
        sheet = book.add_worksheet("query")
        try:
            _fill(sheet, columns, rows)
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None
        finally:
            sheet.row_data_fh.close()
        file.seek(0)
        shutil.copyfileobj(file, out)


def _fill(sheet: "xlsxwriter.worksheet.Worksheet", columns: Sequence[str], rows: Iterator[Sequence[Cell]]) -> None:
    sheet.freeze_panes(1, 0)
    for place, name in enumerate(columns):
        sheet.write_string(0, place, name)
    for line, row in enumerate(rows, 1):
        if line >= ROWS:
            raise UsageError(f"a sheet holds {ROWS:,} rows, its header among them: ask for fewer (LIMIT); {ELSE}")
        for place, cell in enumerate(row):
            _write(sheet, line, place, cell, columns[place])


def _write(sheet: "xlsxwriter.worksheet.Worksheet", line: int, place: int, cell: Cell, column: str) -> None:
    if cell is None:
        return
    if isinstance(cell, bool):
        sheet.write_boolean(line, place, cell)
        return
    text = cell if isinstance(cell, str) else msgspec.json.encode(cell).decode()
    if not isinstance(cell, str) and _is_exact(text):
        sheet.write_number(line, place, float(text))
    elif len(text.encode("utf-16-le")) // 2 > CHARACTERS:
        raise UsageError(f"a cell holds {CHARACTERS:,} characters, {column!r} of row {line:,} has more: {ELSE}")
    else:
        sheet.write_string(line, place, text)


def _is_exact(text: str) -> bool:
    """Tell whether Excel gives the number back digit by digit."""
    digits = sum(character.isdigit() for character in text)
    return set(text) <= set("-.0123456789") and digits <= EXACT_DIGITS
