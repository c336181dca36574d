"""What may be kept of the cells of records: dropped and hashed before anything is written; pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from etl.jsontext import json_bytes, json_text
from etl.rows import RecordErrorRow
from etl.transform.columns import parse_text
from etl.transform.quoting import Secrets, looks_like_a_code

_TELLS_OF_ERRORS = re.compile("error|warning|message|reason|detail|description", re.IGNORECASE)
NO_CELLS = frozenset({"id", "line", "line_number", "status", "error", "errors", "_links"})
"""What a record says of itself; all else beside it, and all under `data`, are cells."""
ALL = "*"
TEMPLATE = frozenset(
    {
        "Agent Activation",
        "Current Email",
        "Email",
        "External Phone Number",
        "Full Name",
        "Internal Extension",
        "Ring Groups",
    }
)
"""Columns of the vendor's templates, as its help and its own files show them."""


@dataclass(frozen=True)
class Privacy:
    """What may be kept of the cells of records.

    `drop` keeps no cell, and of errors only a code and a field that look like a code and repeat no cell.
    The cells named in `hash_columns` (at the top level of a record or under `data`), with `hashes_all` all cells but
    those that are `spared`, become an HMAC-SHA256 of their JSON text. An error that quotes one of them, or a word of
    it, however spelt, loses its texts, and its code or field, too, if that quotes one; an id, a status or a cell whose
    name tells of errors that does is itself hashed.
    A field that is the name of one of the record's columns stays. What cannot be told counts as quoted.
    A record that is no object has no cells to tell apart, so all of it is dropped or hashed;
    so is one that is too large.
    """

    record_data: Literal["keep", "drop"] = "keep"
    hash_columns: frozenset[str] = frozenset()
    hash_key: bytes = field(default=b"", repr=False)
    hashes_all: bool = False
    spared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, record_data: Literal["keep", "drop"], names: Iterable[str], hash_key: bytes) -> Self:
        """Build the privacy of these settings; among the names `*` means all cells, `!NAME` beside it all but these."""
        given = frozenset(names)
        but = frozenset(name for name in given if name.startswith("!"))
        spared = frozenset(name.removeprefix("!").strip() for name in but)
        return cls(record_data, given - but - {ALL}, hash_key, ALL in given, spared)

    @property
    def hashes(self) -> bool:
        """True if any cell is to be hashed."""
        return self.hashes_all or bool(self.hash_columns)

    @property
    def named(self) -> frozenset[str]:
        """The columns that the settings name, of which each should be met."""
        return self.hash_columns | self.spared

    def met(self, item: dict[str, Any]) -> frozenset[str] | None:
        """Return the named columns that the record has; None if it has no cell at all."""
        if next(names_of_cells(item), None) is None:
            return None
        return frozenset(name for name in self.named if any(name in level for level in _levels(item)))

    def perhaps_renamed(self, met: Collection[str], columns: Collection[str]) -> list[str]:
        """Return the named columns that an import lacks, if it has one that no template has: that may be the new name.

        Files to delete users, for one, never have most of the columns.
        """
        return [] if TEMPLATE.issuperset(columns) else sorted(self.hash_columns.difference(met))

    def with_renamed(self, renamed: Mapping[str, str]) -> Self:
        """Build the privacy that hashes columns that were `renamed` as it hashes those whose names they had."""
        names = {name for name, before in renamed.items() if before in self.hash_columns}
        return replace(self, hash_columns=self.hash_columns | names) if names else self

    @property
    def fingerprint(self) -> str:
        """What tells these settings from others; of the key it tells no more than any hashed cell does."""
        if not self.hashes:
            return self.record_data
        columns = [sorted(self.hash_columns), self.hashes_all, sorted(self.spared)]
        return f"{self.record_data} {self.digest(['talkdesk-etl', 'hash columns', columns])[:16]}"

    def cells(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of the record that holds only what may be kept."""
        if not self.hashes:
            return item.copy()
        secrets = self._secrets(item)
        cells = self._hashed(item, item)
        for name in ("id", "status"):
            if (text := parse_text(cells.get(name))) and cells[name] is item[name] and secrets.in_name(text):
                cells[name] = self.digest(item[name])
        if isinstance(cells.get("data"), dict):
            cells["data"] = self._hashed(item, cells["data"])
        for level, before in zip(_levels(cells), _levels(item), strict=False):
            # The record's own errors are no cells: they become rows.
            spare = ("error", "errors") if level is cells else ()
            self._hash_errors(level, secrets, spare=[*spare, *self._names(item, before)])
        return cells

    def errors(self, item: dict[str, Any], rows: list[RecordErrorRow]) -> list[RecordErrorRow]:
        """Return the error rows of the record, without what may not be kept of them."""
        if self.record_data == "keep" and not self.hashes:
            return rows
        secrets = self._secrets(item)
        columns = {name for level in _levels(item) for name in level}
        return [self._kept(row, secrets, columns) for row in rows]

    def rejected(self, item: object, position: int) -> str:
        """Return the text that may be kept of a record that is rejected."""
        if self.record_data == "drop":
            return json_text({"dropped": True, "position": position})
        return json_text({"hashed": self.digest(item)} if self.hashes else item)

    def _names(self, item: dict[str, Any], level: dict[str, Any]) -> Collection[str]:
        """Return the cells to be hashed of a level of the record."""
        if not self.hashes_all:
            return self.hash_columns & level.keys()
        return [
            name
            for name in level
            if name in self.hash_columns or (name not in self.spared and _is_cell(item, level, name))
        ]

    def _hashed(self, item: dict[str, Any], level: dict[str, Any]) -> dict[str, Any]:
        named = {name: level[name] for name in self._names(item, level) if level[name] is not None}
        return level | {name: self.digest(value) for name, value in named.items()}

    def _hash_errors(self, cells: dict[str, Any], secrets: Secrets, *, spare: Collection[str]) -> None:
        """Hash what quotes a hashed cell in cells whose name tells of errors."""
        for name, value in cells.items():
            if not value or name in spare or not _TELLS_OF_ERRORS.search(name):
                continue
            if secrets.in_text(json_text(value)):
                cells[name] = self.digest(value)

    def digest(self, value: object) -> str:
        """Return the hash that stands in place of a cell of this value."""
        import hmac  # noqa: PLC0415 - OpenSSL holds 4 MiB in the process that flattens, and few hash

        return hmac.digest(self.hash_key, json_bytes(value), "sha256").hex()

    def _secrets(self, item: dict[str, Any]) -> Secrets:
        return Secrets(level[name] for level in _levels(item) for name in self._hidden(item, level))

    def _hidden(self, item: dict[str, Any], level: dict[str, Any]) -> Collection[str]:
        """Return the cells of a level of the record that are hashed or dropped."""
        hashed = self._names(item, level)
        if self.record_data == "keep":
            return hashed
        return [name for name in level if name in hashed or _is_cell(item, level, name)]

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


def names_of_cells(item: dict[str, Any]) -> Iterator[str]:
    """Return the names of the columns that the record has."""
    return (name for level in _levels(item) for name in level if _is_cell(item, level, name))


def _is_cell(item: dict[str, Any], level: dict[str, Any], name: str) -> bool:
    """Tell a cell from what the record says of itself; `data` is a cell if no cells stand under it."""
    if level is not item:
        return True
    return name not in NO_CELLS and not (name == "data" and isinstance(item["data"], dict))


def _levels(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield where cells stand: beside the record's own keys, and under `data`."""
    yield item
    if isinstance(item.get("data"), dict):
        yield item["data"]


def _bare(row: RecordErrorRow) -> RecordErrorRow:
    return row._replace(message=None, description=None, field_description=None, extra=b"{}")


KEEP = Privacy()
