"""The vendor's error file into records, each in the form in which records arrive elsewhere; pure.

The vendor documents that it is a CSV, and no column of it. As the code expects it, in any separator and encoding:

    Line,Current Email,Full Name,Error
    7,ada@example.com,"Lovelace, Ada",There is no such user
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from etl.jsontext import REPLACEMENT

SEPARATORS = (",", ";", "\t", "|")
FAILED = "FAILED"
_LINE = re.compile(r"(line|row)( ?(number|num|no|nr|#))?\.?")
_MESSAGE = re.compile(r"errors?|error messages?|messages?|reasons?")
_END = "\0"  # no text has one here
_INTEGER = re.compile(r"[0-9]{1,18}")
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

csv.field_size_limit(2**31 - 1)  # how long a body may be is bounded where it arrives


class NotAnErrorsFileError(Exception):
    """The text is none; says why, and quotes nothing of it."""


class ErrorsFile(NamedTuple):
    """The records of an error file, and the columns of its cells in the order of its header.

    `uneven` are the rows that have more or fewer cells than the header, so that what is in which column is a guess:
    they are among the records unless they were not to be. `renamed` are the columns whose name another one had before.
    """

    columns: list[str]
    records: list[dict[str, Any]]
    uneven: list[list[str]]
    renamed: dict[str, str]


def read_errors_file(body: bytes, *, may_guess: bool = True) -> ErrorsFile:
    """Read the file; raises NotAnErrorsFileError where it tells neither the line nor the error of a record.

    Uneven rows become records if it may be guessed which cell of them is in which column.
    """
    text = decoded(body).replace("\0", REPLACEMENT)
    if not text.strip():
        raise NotAnErrorsFileError("the error file is empty")
    header, *rows = _rows(text, _separator(text))
    names = _distinct(header)
    line, message = (_place(names, pattern) for pattern in (_LINE, _MESSAGE))
    cells = [place for place in range(len(names)) if place not in {line, message}]
    uneven = [row for row in rows if len(row) != len(names)]
    told = rows if may_guess else [row for row in rows if len(row) == len(names)]
    records = [_record(names, row, line=line, message=message) for row in told]
    renamed = {name: before for name, before in zip(names, header, strict=True) if name != before}
    return ErrorsFile([names[place] for place in cells], records, uneven, renamed)


def decoded(body: bytes) -> str:
    """Return the file's text: UTF-8, UTF-16 where its mark says so, else Latin-1."""
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _separator(text: str) -> str:
    """Return the separator with which the header has the columns that tell of errors, and the most of others."""

    def likeness(separator: str) -> tuple[int, int]:
        try:
            header = next(_rows(text, separator), [])
        except NotAnErrorsFileError:
            return 0, 0
        return sum(_place(header, pattern) is not None for pattern in (_LINE, _MESSAGE)), len(header)

    best = max(SEPARATORS, key=likeness)
    if not likeness(best)[0]:
        raise NotAnErrorsFileError("the error file has no column that tells a line or an error")
    return best


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield the rows that are not blank; a quote that nothing closes would take all that follows into one cell."""
    try:
        for row in csv.reader(io.StringIO(f"{text}\n{_END}", newline=""), delimiter=separator):
            if row == [_END]:
                return
            if any(cell.strip() for cell in row):
                yield row
    except csv.Error:
        raise NotAnErrorsFileError("the error file is no CSV") from None
    raise NotAnErrorsFileError("the error file ends within a quoted cell")


def _place(names: list[str], pattern: re.Pattern[str]) -> int | None:
    """Return the first column whose name is of that kind, in any case and with any space or line in it."""
    said = (re.sub(r"[\s_-]+", " ", name).strip().casefold() for name in names)
    return next((place for place, name in enumerate(said) if pattern.fullmatch(name)), None)


def _distinct(header: list[str]) -> list[str]:
    """Return names that tell the columns apart: one without a name, or with another's, is called by its number."""
    names: list[str] = []
    for number, name in enumerate(header, 1):
        names.append(name if name.strip() and name not in names else f"{name} ({number})".strip())
    return names


def _record(names: list[str], row: list[str], *, line: int | None, message: int | None) -> dict[str, Any]:
    named = [*names, *(f"({number})" for number in range(len(names) + 1, len(row) + 1))]
    cells = {name: cell for place, (name, cell) in enumerate(zip(named, row, strict=False)) if place != message}
    said = row[line].strip() if line is not None and line < len(row) else ""
    found: dict[str, Any] = {"status": FAILED, "data": cells}
    if _INTEGER.fullmatch(said) and line is not None:
        found["line"] = int(said)
        del cells[named[line]]
    if message is not None and message < len(row) and row[message].strip():
        found["errors"] = [{"message": row[message]}]
    return found
