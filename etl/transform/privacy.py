"""What may be kept of the cells of records: dropped and hashed before anything is written; pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from etl.jsontext import json_bytes, json_text
from etl.rows import RecordErrorRow
from etl.transform.columns import parse_text
from etl.transform.quoting import Secrets, looks_like_a_code

_TELLS_OF_ERRORS = re.compile("error|warning|message|reason|detail|description", re.IGNORECASE)
_NO_CELLS = frozenset({"id", "line", "line_number", "status", "error", "errors", "_links"})


@dataclass(frozen=True)
class Privacy:
    """What may be kept of the cells of records.

    `drop` keeps no cell, and of errors only a code and a field that look like a code and repeat no cell.
    The cells named in `hash_columns` (at the top level of a record or under `data`) become an HMAC-SHA256
    of their JSON text. An error that quotes one of them, or a word of it, however spelt, loses its texts, and its code
    or field, too, if that quotes one; an id, a status or a cell whose name tells of errors that does is itself hashed.
    A field that is the name of one of the record's columns stays. What cannot be told counts as quoted.
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
        secrets = self._secrets(item)
        cells = self._hashed(item)
        for name in ("id", "status"):
            if (text := parse_text(cells.get(name))) and cells[name] is item[name] and secrets.in_name(text):
                cells[name] = self._digest(item[name])
        if isinstance(cells.get("data"), dict):
            cells["data"] = self._hashed(cells["data"])
        for level in _levels(cells):
            # The record's own errors are no cells: they become rows.
            self._hash_errors(level, secrets, spare=("error", "errors") if level is cells else ())
        return cells

    def errors(self, item: dict[str, Any], rows: list[RecordErrorRow]) -> list[RecordErrorRow]:
        """The error rows of the record, without what may not be kept of them."""
        if self.record_data == "keep" and not self.hash_columns:
            return rows
        secrets = self._secrets(item)
        columns = {name for level in _levels(item) for name in level}
        return [self._kept(row, secrets, columns) for row in rows]

    def rejected(self, item: object, position: int) -> str:
        """The text that may be kept of a record that is rejected."""
        if self.record_data == "drop":
            return json_text({"dropped": True, "position": position})
        return json_text({"hashed": self._digest(item)} if self.hash_columns else item)

    def _hashed(self, cells: dict[str, Any]) -> dict[str, Any]:
        named = {name: cells[name] for name in self.hash_columns if cells.get(name) is not None}
        return cells | {name: self._digest(value) for name, value in named.items()}

    def _hash_errors(self, cells: dict[str, Any], secrets: Secrets, *, spare: Collection[str]) -> None:
        """Afterwards no cell whose name tells of errors quotes a hashed one."""
        for name, value in cells.items():
            if not value or name in self.hash_columns or name in spare or not _TELLS_OF_ERRORS.search(name):
                continue
            if secrets.in_text(json_text(value)):
                cells[name] = self._digest(value)

    def _digest(self, value: object) -> str:
        import hmac  # noqa: PLC0415 - OpenSSL holds 4 MiB in the process that flattens, and few hash

        return hmac.digest(self.hash_key, json_bytes(value), "sha256").hex()

    def _secrets(self, item: dict[str, Any]) -> Secrets:
        is_all = self.record_data == "drop"
        return Secrets(
            value
            for level in _levels(item)
            for name, value in level.items()
            if name in self.hash_columns or (is_all and (level is not item or name not in _NO_CELLS | {"data"}))
        )

    def _kept(self, row: RecordErrorRow, secrets: Secrets, columns: set[str]) -> RecordErrorRow:
        is_dropped = self.record_data == "drop"

        def may_stay(name: str | None) -> bool:
            return name is None or not ((is_dropped and not looks_like_a_code(name)) or secrets.in_name(name))

        texts = json_text([row.message, row.description, row.field_description]) + row.extra.decode()
        row = row._replace(
            code=row.code if may_stay(row.code) else None,
            field=row.field if row.field in columns or may_stay(row.field) else None,
        )
        return _bare(row) if is_dropped or secrets.in_text(texts) else row


def _levels(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where cells stand: beside the record's own keys, and under `data`."""
    yield item
    if isinstance(item.get("data"), dict):
        yield item["data"]


def _bare(row: RecordErrorRow) -> RecordErrorRow:
    return row._replace(message=None, description=None, field_description=None, extra=b"{}")


KEEP = Privacy()
