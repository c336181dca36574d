"""Items as the source sends them into rows; pure, and the place that knows the JSON keys.

What a column cannot read stays in `extra` (of records: in `data`) under its own key, and the column is None.
Nulls are not told from absent keys, and `_links` are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
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

_LINE = Column(parse_integer, ("line", "line_number"))

_ERROR = (
    Column(parse_text, ("code",)),
    Column(parse_text, ("message",)),
    Column(parse_text, ("description",)),
)
_ERROR_FIELD = (Column(parse_text, ("field",)), Column(parse_text, ("field_description",)))
_NAMED_FIELD = (Column(parse_text, ("name",)), Column(parse_text, ("description",)))


FlatRecord: TypeAlias = tuple[RecordRow, Sequence[RecordErrorRow]]


class RecordFlattener:
    """Flattens the records of one import, page by page; remembers which keys are taken, and the position."""

    def __init__(self, import_id: str, privacy: Privacy = KEEP) -> None:
        self._import_id = import_id
        self._privacy = privacy
        self._positions = count()
        self._taken: set[str] = set()

    def rows(self, items: Iterable[object]) -> Iterator[FlatRecord | Rejected]:
        """Yields each record with its errors, in order; how items were cut into pages makes no difference."""
        for item, position in zip(items, self._positions, strict=False):
            found = self._flatten(item, position) if isinstance(item, dict) else None
            if found is None or len(found[0].data) > MAX_ROW_BYTES:
                text = self._privacy.rejected(item, position)
                yield Rejected("import_records", self._import_id, text, TOO_LARGE if found else "it is no object")
            else:
                yield found

    def _flatten(self, item: dict[str, Any], position: int) -> FlatRecord:
        cells = self._privacy.cells(item)
        cells.pop("_links", None)
        errors = _take_errors(cells)
        record_id = take_one(cells, "id", parse_text)
        line = take(cells, _LINE)
        status = take_one(cells, "status", parse_text)
        key = self._record_key(position, record_id=record_id, line=line)
        kept = {} if self._privacy.record_data == "drop" else _unnested(cells)
        record = RecordRow._make((key, record_id, line, position, status, json_bytes(kept)))
        return record, self._privacy.errors(item, _error_rows(key, errors)) if errors else ()

    def _record_key(self, position: int, *, record_id: str | None, line: int | None) -> str:
        if record_id and self._free(key := f"id:{record_id}"):
            return key
        if line is not None and self._free(key := f"line:{line}"):
            return key
        return f"position:{position}"

    def _free(self, key: str) -> bool:
        """True if no record has the key yet and it is short enough; it is taken from now on."""
        if key in self._taken or len(key.encode()) > MAX_KEY_BYTES:
            return False
        self._taken.add(key)
        return True


def _unnested(cells: dict[str, Any]) -> dict[str, Any]:
    """The cells with those of the object under `data` beside them; twins of a name stay under `data`."""
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
    """What the record says about errors, taken out of its cells; `false` and 0 mean none, and stay."""
    found = []
    for key in ("error", "errors"):
        value = cells.pop(key, None)
        if value:
            found.append(value)
        elif value is not None and value == 0:
            cells[key] = value
    return found


def _error_rows(record_key: str, errors: list[Any]) -> list[RecordErrorRow]:
    found = [values for error in _flat(errors) for values in _error_values(_as_object(error))]
    return [
        RecordErrorRow._make((record_key, number, *columns, json_bytes(extra)))
        for number, (*columns, extra) in enumerate(found)
    ]


def _flat(value: object) -> Iterator[Any]:
    """What stands in lists of lists, in order; nulls, empty texts and empty objects say nothing."""
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


def _error_values(error: dict[str, Any]) -> Iterator[list[Any]]:
    """Code, message, description, field, its description and extra, once for each field the error names."""
    present = {key: value for key, value in error.items() if value is not None}
    fields = _named_fields(present.pop("fields", None))
    values = take_all(present, _ERROR)
    if not fields:
        yield [*values, *take_all(present, _ERROR_FIELD), present]
    for named in fields:
        rest = {key: value for key, value in named.items() if value is not None}
        field_values = take_all(rest, _NAMED_FIELD)
        yield [*values, *field_values, present | {"fields": rest} if rest else present]


def _named_fields(fields: Any) -> list[dict[str, Any]]:
    """Objects with `name` and `description`, whether they came so, as names, or as descriptions by name."""
    if isinstance(fields, dict) and fields.keys() != {"name", "description"}:
        return [{"name": name, "description": description} for name, description in fields.items()]
    return [named if isinstance(named, dict) else {"name": named} for named in _flat(fields)]
