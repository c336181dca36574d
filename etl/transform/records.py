"""Items as the source sends them into rows; pure, and the place that knows the JSON keys.

What a column cannot read stays in `extra` (of records: in `data`) under its own key, and the column is None.
Nulls are not told from absent keys, and `_links` are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, NamedTuple, TypeAlias

from etl.rows import (
    MAX_KEY_BYTES,
    MAX_ROW_BYTES,
    TOO_LARGE,
    CaseFieldRow,
    EntryRow,
    ImportRow,
    RecordErrorRow,
    RecordRow,
    Rejected,
)
from etl.transform.columns import (
    Column,
    json_bytes,
    json_text,
    parse_boolean,
    parse_instant,
    parse_integer,
    parse_text,
    take,
    take_all,
    take_one,
    unkeyed,
)
from etl.transform.trees import entries

TERMINAL = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "SUCCESSFUL", "CANCELED", "FAILED"})
"""`SUCCESSFUL` is the OpenAPI bundle's word for the reference pages' `COMPLETED`."""

_IMPORT = (
    Column(parse_text, ("id",)),
    Column(parse_text, ("filename",)),
    Column(parse_text, ("type",)),
    Column(parse_text, ("status",)),
    Column(parse_integer, ("total_records",)),
    Column(parse_integer, ("completed_records",)),
    Column(parse_integer, ("failed_records",)),
    Column(parse_text, ("created_by",)),
    Column(parse_instant, ("created_at",)),
    Column(parse_text, ("updated_by",)),
    Column(parse_instant, ("updated_at",)),
    Column(parse_text, ("canceled_by",)),
    Column(parse_instant, ("canceled_at",)),
)

_CASE_FIELD = (
    Column(parse_text, ("key",)),
    Column(parse_text, ("id",)),
    Column(parse_text, ("name",)),
    Column(parse_text, ("type",)),
    Column(parse_text, ("description",)),
    Column(parse_boolean, ("required",)),
    Column(parse_boolean, ("active",)),
    Column(parse_instant, ("created_at", "create_at")),
    Column(parse_instant, ("updated_at", "update_at")),
)

_LINE = Column(parse_integer, ("line", "line_number"))

_ERROR = (
    Column(parse_text, ("code",)),
    Column(parse_text, ("message",)),
    Column(parse_text, ("description",)),
)
_ERROR_FIELD = (Column(parse_text, ("field",)), Column(parse_text, ("field_description",)))
_NAMED_FIELD = (Column(parse_text, ("name",)), Column(parse_text, ("description",)))


def is_terminal(status: str | None) -> bool:
    """True if an import of this status is known to change no more; an unknown word is no proof of it."""
    return status in TERMINAL


def is_cut_short(status: str | None) -> bool:
    """True if the import ended before its time, so that some of its records may never have come to be."""
    return status in {"CANCELED", "FAILED"}


def import_row(item: object) -> ImportRow | Rejected:
    """The row of a bulk import, or why it cannot be keyed."""
    present = _present(item, key="id")
    if isinstance(present, str):
        return Rejected("imports", None, json_text(item), present)
    return ImportRow._make([*take_all(present, _IMPORT), present])


class CaseField(NamedTuple):
    """A case field with its dictionary.

    `dict_list_readable` is False if the dictionary was no list: its entries are then unknown, not none.
    """

    row: CaseFieldRow
    entries: list[EntryRow]
    rejected: list[Rejected]
    dict_list_readable: bool


def case_field(item: object) -> CaseField | Rejected:
    """A case field and the nodes of its dictionary, or why the field cannot be keyed."""
    present = _present(item, key="key")
    if isinstance(present, str):
        return Rejected("case_fields", None, json_text(item), present)
    dict_list = present.get("dict_list", [])
    readable = isinstance(dict_list, list)
    nodes = present.pop("dict_list", []) if readable else []
    row = CaseFieldRow._make([*take_all(present, _CASE_FIELD), present])
    found = list(entries(row.field_key, nodes))
    rows = [node for node in found if isinstance(node, EntryRow)]
    return CaseField(row, rows, [node for node in found if isinstance(node, Rejected)], readable)


def _present(item: Any, *, key: str) -> dict[str, Any] | str:
    """What the item says, or why no row can be keyed by it."""
    problem = unkeyed(item, key)
    if problem:
        return problem
    size = len(str(item[key]).encode())
    if size == 0:
        return f"its {key} is empty"
    if size > MAX_KEY_BYTES:
        return f"its {key} has {size} bytes, more than the {MAX_KEY_BYTES} that a key can hold"
    return {name: value for name, value in item.items() if value is not None and name != "_links"}


@dataclass(frozen=True)
class Privacy:
    """What may be kept of the cells of records.

    `drop` keeps no cell, and of errors only code and field, because their texts may quote a cell.
    The cells named in `hash_columns` (at the top level of a record or under `data`) become an HMAC-SHA256
    of their JSON text; an error that quotes one of them (in any case) keeps only code and field.
    A record that is no object has no cells to tell apart, so all of it is dropped or hashed;
    so is one that is too large.
    """

    record_data: Literal["keep", "drop"] = "keep"
    hash_columns: frozenset[str] = frozenset()
    hash_key: bytes = field(default=b"", repr=False)

    def cells(self, item: dict[str, Any]) -> dict[str, Any]:
        """A copy of the record that holds only what may be kept."""
        if not self.hash_columns:
            return item.copy()
        cells = self._hashed(item)
        if isinstance(cells.get("data"), dict):
            cells["data"] = self._hashed(cells["data"])
        return cells

    def errors(self, item: dict[str, Any], rows: list[RecordErrorRow]) -> list[RecordErrorRow]:
        """The error rows of the record, without the texts that may not be kept."""
        if self.record_data == "drop":
            return [_bare(row) for row in rows]
        secrets = self._secrets(item) if self.hash_columns else []
        return [_bare(row) if _quotes(row, secrets) else row for row in rows]

    def rejected(self, item: object, position: int) -> str:
        """The text that may be kept of a record that is rejected."""
        if self.record_data == "drop":
            return json_text({"dropped": True, "position": position})
        return json_text({"hashed": self._digest(item)} if self.hash_columns else item)

    def _hashed(self, cells: dict[str, Any]) -> dict[str, Any]:
        named = {name: cells[name] for name in self.hash_columns if cells.get(name) is not None}
        return cells | {name: self._digest(value) for name, value in named.items()}

    def _digest(self, value: object) -> str:
        import hmac  # noqa: PLC0415 - OpenSSL holds 4 MiB in the process that flattens, and few hash

        return hmac.digest(self.hash_key, json_bytes(value), "sha256").hex()

    def _secrets(self, item: dict[str, Any]) -> list[str]:
        nested = item.get("data")
        levels = [item, nested] if isinstance(nested, dict) else [item]
        values = [cells[name] for cells in levels for name in self.hash_columns if name in cells]
        # A list or an object has no text of its own; the empty one is found everywhere, so errors go bare.
        return [_inner_text(parse_text(value) or "") for value in values if value not in (None, "")]


def _inner_text(text: str) -> str:
    return json_text(text)[1:-1].lower()


def _quotes(row: RecordErrorRow, secrets: list[str]) -> bool:
    text = (json_text(row[2:-1]) + row.extra.decode()).lower() if secrets else ""
    return any(secret in text for secret in secrets)


def _bare(row: RecordErrorRow) -> RecordErrorRow:
    return row._replace(message=None, description=None, field_description=None, extra=b"{}")


KEEP = Privacy()


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
