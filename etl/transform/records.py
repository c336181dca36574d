"""Records of bulk imports, and their errors, as the source sends them into rows; pure.

The vendor documents no record. As the code expects one to arrive, each key optional, the cells under `data` or beside
the others, `error` or `errors` an object, a list or a text:

    {"id": "cbbd81b5", "line": 2, "status": "FAILED",
     "data": {"Email": "ada@example.com", "Full Name": "Ada Lovelace", "Ring Groups": "agents"},
     "errors": [{"code": "0017", "message": "is taken", "description": null,
                 "fields": [{"name": "Email", "description": "must be new"}]}],
     "_links": {"self": {"href": "…"}}}

What a column cannot read stays in `extra` (of records: in `data`) under its own key, and the column is None.
Nulls are not told from absent keys, and `_links` are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from etl.jsontext import json_bytes
from etl.rows import (
    MAX_KEY_BYTES,
    MAX_ROW_BYTES,
    TOO_LARGE,
    RecordErrorRow,
    RecordRow,
    Rejected,
)
from etl.transform.columns import Column, parse_integer, parse_text, take, take_all, take_one
from etl.transform.privacy import KEEP, Privacy
from etl.transform.proportion import REASON, OutOfProportionError, Proportion

_ROW_BYTES = 30

MAX_COLUMNS = 1_000
"""No file has so many; a source that sends them shall not fill a row with them."""

_LINE = Column(parse_integer, ("line", "line_number"))

_ERROR: dict[str, Column[Any]] = {
    "code": Column(parse_text, ("code",)),
    "message": Column(parse_text, ("message",)),
    "description": Column(parse_text, ("description",)),
}
_ERROR_FIELD: dict[str, Column[Any]] = {
    "field": Column(parse_text, ("field",)),
    "field_description": Column(parse_text, ("field_description",)),
}
_NAMED_FIELD: dict[str, Column[Any]] = {
    "field": Column(parse_text, ("name", "field")),
    "field_description": Column(parse_text, ("description", "field_description")),
}
_KEYS_OF_A_FIELD = frozenset({"name", "field", "description", "field_description"})


FlatRecord: TypeAlias = tuple[RecordRow, Sequence[RecordErrorRow]]


class RecordFlattener:
    """Flattens the records of one import, page by page; remembers which keys are taken, and the position.

    `met` are the columns named by the privacy settings that were in any record; None while none had a cell.
    `columns` are the names of all cells in the order in which they came, those of later records after the others;
    None where no cell is kept, or where they are too many to be a file's header.
    """

    def __init__(self, import_id: str, privacy: Privacy = KEEP) -> None:
        self._import_id = import_id
        self._privacy = privacy
        self._position = 0
        self._taken: set[str] = set()
        self._proportion = Proportion()
        self.met: frozenset[str] | None = None
        self._columns: dict[str, None] = {}

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The header of the file, as far as the records show it."""
        is_kept = self._privacy.record_data == "keep" and len(self._columns) <= MAX_COLUMNS
        return tuple(self._columns) if is_kept else None

    def rows(self, items: Iterable[object]) -> Iterator[FlatRecord | Rejected]:
        """Yield each record with its errors, in order; how items were cut into pages makes no difference."""
        for item in items:
            found = self._flatten(item) if isinstance(item, dict) else "it is no object"
            yield self._rejected(item, found) if isinstance(found, str) else found
            self._position += 1

    def _rejected(self, item: object, reason: str) -> Rejected:
        return Rejected("import_records", self._import_id, self._privacy.rejected(item, self._position), reason)

    def _flatten(self, item: dict[str, Any]) -> FlatRecord | str:
        """Flatten the record and its errors; says why it is rejected, if it is."""
        if self._privacy.named and (met := self._privacy.met(item)) is not None:
            self.met = met | (self.met or frozenset())
        cells = self._privacy.cells(item)
        cells.pop("_links", None)
        errors = _take_errors(cells)
        record_id = take_one(cells, "id", parse_text)
        line = take(cells, _LINE)
        status = take_one(cells, "status", parse_text)
        self._note_columns(cells)
        key = self._record_key(record_id=record_id, line=line)
        data = b"{}" if self._privacy.record_data == "drop" else json_bytes(_unnested(cells))
        if len(data) > MAX_ROW_BYTES:
            return TOO_LARGE
        record = RecordRow(
            record_key=key, record_id=record_id, line=line, position=self._position, status=status, data=data
        )
        try:
            return record, self._errors(item, key, errors) if errors else ()
        except OutOfProportionError:
            return REASON

    def _errors(self, item: dict[str, Any], key: str, errors: list[Any]) -> list[RecordErrorRow]:
        counted, found = self._proportion.rows_of(item), []
        for row in _error_rows(key, errors):
            counted.add(_size(row))
            found.append(row)
        self._proportion.keep(counted)
        return self._privacy.errors(item, found)

    def _note_columns(self, cells: dict[str, Any]) -> None:
        """Note the names of cells that no record had before; what stands beside the cells is not of the file."""
        nested = cells.get("data")
        header = nested if isinstance(nested, dict) else cells
        if not header.keys() <= self._columns.keys() and len(self._columns) <= MAX_COLUMNS:
            self._columns.update(dict.fromkeys(header))

    def _record_key(self, *, record_id: str | None, line: int | None) -> str:
        if record_id and self._free(key := f"id:{record_id}"):
            return key
        if line is not None and self._free(key := f"line:{line}"):
            return key
        return f"position:{self._position}"

    def _free(self, key: str) -> bool:
        """Tell whether no record has the key yet and it is short enough; it is taken from now on."""
        if key in self._taken or len(key.encode()) > MAX_KEY_BYTES:
            return False
        self._taken.add(key)
        return True


def _size(row: RecordErrorRow) -> int:
    """Return the characters of a row, and what the row itself takes."""
    return _ROW_BYTES + sum(len(value) for value in row if isinstance(value, str | bytes))


def _unnested(cells: dict[str, Any]) -> dict[str, Any]:
    """Un-nest the object under `data` into the cells; twins of a name stay under `data`."""
    nested = cells.get("data")
    if not isinstance(nested, dict):
        return cells
    del cells["data"]
    spread = nested | cells
    if len(spread) == len(nested) + len(cells):
        return spread
    hidden = {name: value for name, value in nested.items() if name in cells or name == "data"}
    return spread | {"data": hidden}


def _take_errors(cells: dict[str, Any]) -> list[Any]:
    """Take what the record says about errors out of its cells; `false` and 0 mean none, and stay."""
    found = []
    for key in ("error", "errors"):
        value = cells.pop(key, None)
        if value:
            found.append(value)
        elif value is not None and value == 0:
            cells[key] = value
    return found


def _error_rows(record_key: str, errors: list[Any]) -> Iterator[RecordErrorRow]:
    found = (columns for error in _flat(errors) for columns in _error_columns(_as_object(error)))
    for number, columns in enumerate(found):
        yield RecordErrorRow(record_key=record_key, error_no=number, **columns)


def _flat(value: object) -> Iterator[Any]:
    """Yield what stands in lists of lists, in order; nulls, empty texts and empty objects say nothing."""
    pending = [value]
    while pending:
        first = pending.pop()
        if isinstance(first, list):
            pending.extend(reversed(first))
        elif first not in (None, "", {}):
            yield first


def _as_object(error: Any) -> dict[str, Any]:
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    return {"error": error} if isinstance(error, bool) else {"code": error}


def _error_columns(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the columns of an error's rows but for their key, once for each field that the error names."""
    present = {key: value for key, value in error.items() if value is not None}
    fields = _named_fields(present.pop("fields", None))
    columns = take_all(present, _ERROR)
    if not fields:
        yield {**columns, **take_all(present, _ERROR_FIELD), "extra": json_bytes(present)}
    for named in fields:
        rest = {key: value for key, value in named.items() if value is not None}
        named_columns = take_all(rest, _NAMED_FIELD)
        yield {**columns, **named_columns, "extra": json_bytes(present | {"fields": rest} if rest else present)}


def _named_fields(fields: Any) -> list[dict[str, Any]]:
    """Objects of the form `{"name": …, "description": …}`, whether they came so, as names, or as texts by name."""
    if isinstance(fields, dict) and not _is_one_field(fields):
        return [{"name": name, "description": description} for name, description in fields.items()]
    return [named if isinstance(named, dict) else {"name": named} for named in _flat(fields)]


def _is_one_field(fields: dict[str, Any]) -> bool:
    """Tell whether the object describes one field; else its keys are fields, each with what is wrong with it."""
    return fields.keys() <= _KEYS_OF_A_FIELD or fields.keys() >= {"name", "description"}
