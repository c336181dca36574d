"""Sets of rows as statements take them: the versioned tables, their keys, and JSON parameters as rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Table, Text, and_, bindparam, cast, column, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from etl.warehouse import tables

Key = tuple[str, ...]

ROWS_PER_STATEMENT = 5_000

BYTES_PER_STATEMENT = 40_000_000
"""A jsonb holds 256 MB, and numbers take up to six times as much room there as in their text."""

ACCOUNT = bindparam("account_name", type_=Text)

AT = bindparam("at", type_=TIMESTAMP(timezone=True))

CLOCK_COLUMNS = frozenset(
    {
        "account",
        "first_seen_at",
        "last_changed_at",
        "records_loaded_at",
        "records_loaded",
        "records_privacy",
        "record_columns",
        "records_source",
        "expired_at",
        "erased_at",
        "records_aged_at",
        "removed_at",
        "users_read_at",
    }
)


@dataclass(frozen=True)
class Versioned:
    """A table with its versions; `reset` names our columns that go back to NULL when a row is stored."""

    table: Table
    versions: Table
    reset: tuple[str, ...] = field(default=())

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The key but for the account."""
        return tuple(c.name for c in self.table.primary_key if c.name != "account")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """What the source says: every column but the account and our clock's."""
        return tuple(c.name for c in self.table.columns if c.name not in CLOCK_COLUMNS)

    @cached_property
    def versioned_columns(self) -> tuple[str, ...]:
        """The columns whose change makes a new version."""
        return tuple(name for name in self.columns if name in self.versions.c)

    def key_of(self, row: Row[Any]) -> Key:
        """Return the key in a row that a statement found."""
        return tuple(getattr(row, name) for name in self.keys)

    def key_parameters(self, key: Key) -> dict[str, str]:
        """Return what statements about one key are told."""
        return {f"key_{name}": value for name, value in zip(self.keys, key, strict=True)}

    @cached_property
    def gone(self) -> ColumnElement[bool]:
        """True for a row that was removed or has expired."""
        return self.table.c[self.reset[-1]].is_not(None)


IMPORTS = Versioned(tables.imports, tables.imports_versions, reset=("records_loaded_at", "expired_at"))

CASE_FIELDS = Versioned(tables.case_fields, tables.case_fields_versions, reset=("removed_at",))

ENTRIES = Versioned(tables.case_field_entries, tables.case_field_entries_versions, reset=("removed_at",))

USERS = Versioned(tables.users, tables.users_versions, reset=("removed_at",))


def listed(what: Versioned) -> FromClause:
    """List the parameters' keys, a row each: the server may hash them, which it does not do with a list of pairs."""
    arrays = [bindparam(f"listed_{name}", type_=ARRAY(Text)) for name in what.keys]
    return func.unnest(*arrays).table_valued(*what.keys, name="listed").render_derived()


def list_parameters(what: Versioned, keys: Collection[Key]) -> dict[str, list[str]]:
    """Return what statements over `listed` keys are told."""
    columns = list(zip(*keys, strict=True)) if keys else [()] * len(what.keys)
    return {f"listed_{name}": list(values) for name, values in zip(what.keys, columns, strict=True)}


def row_parameters(account: str, rows: Mapping[Key, bytes]) -> dict[str, Any]:
    """Return what statements over `incoming_rows` are told."""
    return {"account_name": account, "rows": (b"[" + b",".join(rows.values()) + b"]").decode()}


def incoming_rows(stored: Table, names: Sequence[str]) -> FromClause:
    """Return the rows of the JSON parameter, typed as the table's columns are."""
    rows = func.jsonb_to_recordset(cast(bindparam("rows", type_=Text), JSONB))
    columns = [column(name, stored.c[name].type) for name in names]
    return rows.table_valued(*columns, name="incoming").render_derived(with_types=True)


def same_key(what: Versioned, stored: FromClause, incoming: FromClause) -> ColumnElement[bool]:
    """Return one row of the account for each incoming row."""
    return and_(stored.c.account == ACCOUNT, *(stored.c[name] == incoming.c[name] for name in what.keys))


def current_version(what: Versioned, incoming: FromClause) -> ColumnElement[bool]:
    """Return the open version of each incoming row."""
    return and_(same_key(what, what.versions, incoming), what.versions.c.valid_to.is_(None))
