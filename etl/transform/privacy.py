"""What may be kept of the cells of records: dropped and hashed before anything is written; pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

from etl.jsontext import json_bytes, json_text
from etl.rows import RecordErrorRow
from etl.transform.columns import parse_text


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
