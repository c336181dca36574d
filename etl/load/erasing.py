"""One person gone, and cells that have become too old: rows stay, and stay erased whatever is read of them again."""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row

from etl.jsontext import json_bytes
from etl.load.halving import by_halves
from etl.load.rowsets import Key
from etl.packing import Packed, blank_error, blank_record, key_of
from etl.warehouse.sql import statements
from etl.warehouse.writing import write

SQL = statements("etl.load", "erasing.sql")
ROWS_PER_FETCH = 5_000
IMPORTS_PER_BATCH = 20
"""Some thousands of records: so long a transaction keeps nobody waiting."""
_KEPT_OF_A_USER = ("user_id", "active")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


# What stays erased


class Erased(NamedTuple):
    """The records of an import that were erased; all of them if they have aged."""

    keys: Collection[str] = ()
    are_all: bool = False

    def has(self, row: Packed) -> bool:
        """Tell whether the record, or the error's record, was erased."""
        return self.are_all or key_of(row) in self.keys

    def blank(self, records: Sequence[Packed], errors: Sequence[Packed]) -> tuple[list[Packed], list[Packed]]:
        """Return the rows of the import, the erased ones without their cells and texts."""
        return (
            [blank_record(record) if self.has(record) else record for record in records],
            [blank_error(error) if self.has(error) else error for error in errors],
        )


def erased_records(connection: Connection, account: str, ids: Sequence[str]) -> dict[str, Erased]:
    """Return what was erased of these imports, of those that can be asked for; of most of them nothing was."""

    def find(part: Sequence[str]) -> list[Row[Any]]:
        return list(connection.execute(SQL["erased_records"], {"account": account, "ids": part}).all())

    found: dict[str, Erased] = {}
    for row in chain(*by_halves(connection, find, list(ids), [])):
        before = found.get(row.import_id, Erased(set()))
        are_all = before.are_all or row.record_key is None
        found[row.import_id] = Erased({*before.keys, *filter(None, [row.record_key])}, are_all)
    return found


def blank_erased_users(connection: Connection, account: str, rows: Mapping[Key, bytes]) -> dict[Key, bytes]:
    """Return the users' rows, those of erased ones with nothing that tells who they are."""
    erased = {(user_id,) for user_id in connection.scalars(SQL["erased_users"], {"account": account})}
    return {key: _blank_user(row) if key in erased else row for key, row in rows.items()}


def _blank_user(row: bytes) -> bytes:
    said = msgspec.json.decode(row)
    return json_bytes({name: said.get(name) for name in _KEPT_OF_A_USER} | {"extra": {}})


# One person


class Wanted:
    """The values that tell a person; case and spaces around them do not matter, nor how a character is composed.

    `digests` are what they are where cells were hashed.
    """

    def __init__(self, values: Collection[str], digests: Collection[str] = ()) -> None:
        self._values = {normal(value) for value in values}
        self._digests = frozenset(digests)
        spellings = {spelling for value in self._values for spelling in (value, json.dumps(value)[1:-1])}
        words = "|".join(re.escape(word) for word in sorted({*spellings, *self._digests}, key=len, reverse=True))
        self._quoted = re.compile(rf"(?<!\w)(?:{words})(?!\w)")

    def is_value(self, cell: str | None) -> bool:
        """Tell whether the cell is one of the values."""
        return cell is not None and (cell in self._digests or normal(cell) in self._values)

    def is_quoted(self, text: str | None) -> bool:
        """Tell whether the text holds one of them as a word of its own."""
        if not text:
            return False
        plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
        return self._quoted.search(normal(plain)) is not None or self._quoted.search(normal(text)) is not None


def normal(text: str) -> str:
    """Return the text in the one spelling of all that mean the same."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


class ErrorKey(NamedTuple):
    """An error's key, and whether its code or column tells the person, too."""

    import_id: str
    record_key: str
    error_no: int
    with_code: bool
    with_field: bool


class Person(NamedTuple):
    """All that an account has of a person."""

    records: set[tuple[str, str]]
    errors: list[ErrorKey]
    rejected: list[str]
    users: list[str]

    def counts(self) -> dict[str, int]:
        """Return how much it is, by kind."""
        return {name: len(each) for name, each in self._asdict().items()}

    @property
    def import_ids(self) -> list[str]:
        """The imports that name the person."""
        return sorted({import_id for import_id, _ in self.records})


def find_person(connection: Connection, account: str, column: str, wanted: Wanted) -> Person:
    """Find the records with such a cell, what quotes the person, and the user of that address or name."""

    def rows(name: str) -> Iterable[Any]:
        asked = {"account": account} | ({"column": column} if name == "cells" else {})
        return connection.execute(SQL[name], asked, execution_options={"yield_per": ROWS_PER_FETCH})

    records = {(row.import_id, row.record_key) for row in rows("cells") if wanted.is_value(row.cell)}
    errors = [
        ErrorKey(row.import_id, row.record_key, row.error_no, *quoted)
        for row in rows("texts_of_errors")
        for quoted in [(wanted.is_quoted(row.code), wanted.is_quoted(row.field))]
        if (row.texts and ((row.import_id, row.record_key) in records or wanted.is_quoted(row.texts))) or any(quoted)
    ]
    rejected = [row.item_id for row in rows("rejected") if wanted.is_quoted(row.item)]
    users = {row.user_id for row in rows("users") if wanted.is_value(row.name) or wanted.is_value(row.email)}
    return Person(records, errors, rejected, sorted(users))


def erase_person(connection: Connection, account: str, column: str, person: Person) -> list[str]:
    """Erase the person inside a transaction, and note it; says which of the imports the source still has."""
    import_ids, record_keys = zip(*sorted(person.records), strict=True) if person.records else ((), ())
    errors = [*zip(*person.errors, strict=True)] if person.errors else [()] * len(ErrorKey._fields)
    names = ("import_ids", "record_keys", "numbers", "with_code", "with_field")
    for name, values in (
        ("erase_records", {"import_ids": list(import_ids), "record_keys": list(record_keys)}),
        ("erase_errors", {key: list(each) for key, each in zip(names, errors, strict=True)}),
        ("erase_rejected", {"ids": person.rejected}),
        ("erase_users", {"ids": person.users}),
        ("erase_users_versions", {"ids": person.users}),
    ):
        if any(values.values()):
            write(connection, SQL[name], {"account": account, **values})
    if any(person.counts().values()):
        write(connection, SQL["note_erasure"], {"account": account, "column": column, **person.counts()})
    ids = {"account": account, "ids": person.import_ids}
    return list(connection.scalars(SQL["still_at_source"], ids))


# Age


def age_records(connection: Connection, account: str, keep: timedelta) -> int:
    """Take the cells of a batch of imports older than `keep`, inside a transaction; says of how many, 0 at the end."""
    old = {"account": account, "keep": keep, "number": IMPORTS_PER_BATCH}
    ids = list(connection.scalars(SQL["aged_imports"], old))
    if ids:
        for name in ("age_records", "age_errors", "note_aged"):
            write(connection, SQL[name], {"account": account, "ids": ids})
    return len(ids)
