"""Whether a warehouse says what a sandbox says; written from the contract, with no line of the product."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

from etl.sandbox import Sandbox
from etl.sandbox.world.moves import BulkImport

Item = dict[str, Any]

DATA = ("imports", "import_records", "import_record_errors", "case_fields", "case_field_entries")
KEYS = {"imports": ("import_id",), "case_fields": ("field_key",), "case_field_entries": ("field_key", "entry_id")}
OURS = {
    "account",
    "first_seen_at",
    "last_changed_at",
    "records_loaded_at",
    "records_loaded",
    "records_privacy",
    "record_columns",
    "records_source",
    "records_aged_at",
    "users_read_at",
    "erased_at",
    "expired_at",
    "removed_at",
    "extra",
}


class Warehouse:
    """One account's rows, each table read once: `rows` is what was there when it was asked first."""

    def __init__(self, connection: psycopg.Connection[Item], account: str) -> None:
        self.connection, self.account = connection, account
        self._read: dict[str, list[Item]] = {}

    def rows(self, table: str) -> list[Item]:
        """All rows of the account in a table or view."""
        if table not in self._read:
            self._read[table] = self._ask("SELECT * FROM talkdesk.{} WHERE account = %s", table)
        return self._read[table]

    def snapshot(self) -> dict[str, list[Item]]:
        """Every row of data and versions with the number of the transaction that wrote it."""
        statement = "SELECT xmin::text AS written, t::text AS said FROM talkdesk.{} AS t WHERE account = %s ORDER BY 2"
        return {table: self._ask(statement, table) for table in (*DATA, *(f"{table}_versions" for table in KEYS))}

    def _ask(self, statement: LiteralString, table: str) -> list[Item]:
        return self.connection.execute(sql.SQL(statement).format(sql.Identifier(table)), (self.account,)).fetchall()


@contextmanager
def opened(url: str, account: str) -> Iterator[Warehouse]:
    """Inside, the account's rows can be read."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        set_json_loads(_parsed, connection)
        yield Warehouse(connection, account)


def assert_level(sandbox: Sandbox, url: str, account: str) -> None:
    """The warehouse holds of this account what the source holds now, and its versions and runs are in order."""
    with opened(url, account) as warehouse:
        _imports_are_level(sandbox, warehouse)
        _case_fields_are_level(sandbox, warehouse)
        _is_orderly(warehouse)


def assert_orderly(url: str, account: str) -> None:
    """Whatever is there has one current version that says the same, none overlap, and no run is left open."""
    with opened(url, account) as warehouse:
        _is_orderly(warehouse)


def _imports_are_level(sandbox: Sandbox, warehouse: Warehouse) -> None:
    stored = {row["import_id"] for row in warehouse.rows("imports") if row["expired_at"] is None}

    assert {bulk_import.id for bulk_import in sandbox.world.imports()} == stored
    assert_imports(warehouse, sandbox.world.imports())


def assert_imports(warehouse: Warehouse, imports: Sequence[BulkImport]) -> None:
    """These imports, which are well-formed, are stored with their records."""
    stored = {row["import_id"]: row for row in warehouse.rows("imports")}
    for bulk_import in imports:
        import_id = bulk_import.id
        assert _said(bulk_import.item) == _given_back(stored[import_id], id="import_id")
        assert _source_records(bulk_import.records) == _stored_records(warehouse, import_id)


def _case_fields_are_level(sandbox: Sandbox, warehouse: Warehouse) -> None:
    stored = {row["field_key"] for row in warehouse.rows("case_fields") if row["removed_at"] is None}

    assert {field["key"] for field in sandbox.world.case_fields()} == stored
    assert_case_fields(warehouse, sandbox.world.case_fields())


def assert_case_fields(warehouse: Warehouse, fields: Sequence[Item]) -> None:
    """These fields, which are well-formed, are stored with their entries."""
    stored = {row["field_key"]: row for row in warehouse.rows("case_fields")}
    for field in fields:
        key = field["key"]
        assert _said(field) == _given_back(stored[key], key="field_key", id="field_id")
        assert list(_nodes(field.get("dict_list"))) == _stored_nodes(warehouse, key)


def _is_orderly(warehouse: Warehouse) -> None:
    for table, keys in KEYS.items():
        versions = sorted(warehouse.rows(f"{table}_versions"), key=lambda row: (*_of(row, keys), row["valid_from"]))
        current = {_of(row, keys): row for row in versions if row["valid_to"] is None}
        there = {_of(row, keys): row for row in warehouse.rows(table) if row.get("removed_at") is None}

        assert current.keys() == there.keys()
        assert all(version[name] == there[key][name] for key, version in current.items() for name in _shared(version))
        for before, after in pairwise(versions):
            is_next = _of(before, keys) == _of(after, keys)
            assert not is_next or before["valid_from"] < before["valid_to"] <= after["valid_from"]
    assert "running" not in {run["outcome"] for run in warehouse.rows("sync_runs")}


def _parsed(text: str | bytes) -> Any:
    """The value with every digit; what is too deep or too long for Python stays a text."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except RecursionError:
        return str(text)


def _of(row: Item, keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def _shared(version: Item) -> set[str]:
    return version.keys() - {"valid_from", "valid_to"}


def _said(item: Item) -> Item:
    """What the source says of an import or a field, instants as instants."""
    kept = {key: value for key, value in item.items() if value is not None and key not in {"_links", "dict_list"}}
    return {key: datetime.fromisoformat(value) if key.endswith("_at") else value for key, value in kept.items()}


def _given_back(row: Item, **columns: str) -> Item:
    """The columns that say something under the names of the source, and what no column took."""
    names = {column: name for name, column in columns.items()}
    kept = {names.get(key, key): value for key, value in row.items() if value is not None and key not in OURS}
    given: Item = {key: value.astimezone(UTC) if key.endswith("_at") else value for key, value in kept.items()}
    extra: Item = row["extra"]
    return given | extra


def _source_records(records: tuple[Any, ...]) -> list[tuple[Item, list[tuple[Any, ...]]]]:
    return [(_cells(record), list(_errors(record))) for record in records]


def _cells(record: Item) -> Item:
    cells: Item = {key: value for key, value in record.items() if key not in {"data", "errors"}}
    nested: Item = record["data"]
    return cells | nested


def _errors(record: Item) -> Iterator[tuple[Any, ...]]:
    for error in record.get("errors", []):
        for field in error.get("fields", [{}]):
            yield error["code"], error["message"], error["description"], field.get("name"), field.get("description")


def _stored_records(warehouse: Warehouse, import_id: str) -> list[tuple[Item, list[tuple[Any, ...]]]]:
    records = [row for row in warehouse.rows("import_records") if row["import_id"] == import_id]
    errors = [row for row in warehouse.rows("import_record_errors") if row["import_id"] == import_id]
    names = ("code", "message", "description", "field", "field_description")
    found = []
    for row in sorted(records, key=lambda row: row["position"]):
        own = sorted((e["error_no"], _of(e, names)) for e in errors if e["record_key"] == row["record_key"])
        cells = {"id": row["record_id"], "line": row["line"], "status": row["status"], **row["data"]}
        found.append((cells, [error for _, error in own]))
    return found


def _nodes(nodes: Any, path: tuple[str, ...] = (), labels: tuple[Any, ...] = ()) -> Iterator[Item]:
    """The tree as rows, parents first."""
    for position, node in enumerate(nodes or []):
        key, label, children = node["key"], node.get("lable", node.get("value")), node.get("children")
        yield {
            "path": [*path, key],
            "labels": [*labels, label],
            "depth": len(path) + 1,
            "position": position,
            "is_leaf": not children,
        }
        yield from _nodes(children, (*path, key), (*labels, label))


def _stored_nodes(warehouse: Warehouse, field_key: str) -> list[Item]:
    """The rows of the tree in the same order, found by parent and position."""
    rows = [row for row in warehouse.rows("case_field_entries") if row["field_key"] == field_key]
    present = [row for row in rows if row["removed_at"] is None]

    def below(parent_id: str | None) -> Iterator[Item]:
        for row in sorted((row for row in present if row["parent_id"] == parent_id), key=lambda row: row["position"]):
            yield {name: row[name] for name in ("path", "labels", "depth", "position", "is_leaf")}
            yield from below(row["entry_id"])

    found = list(below(None))
    assert len(found) == len(present)
    return found
