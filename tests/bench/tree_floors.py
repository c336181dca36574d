"""Dictionary trees flattened and copied, and nothing else done with them.

Each function is one measurement, to be run in a process of its own; it says the seconds of the part itself.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import Table

from etl import jsontext
from etl.rows import EntryRow
from etl.transform import case_fields
from etl.transform.case_fields import CaseField
from etl.warehouse import tables
from tests.bench.data import CASE_FIELDS
from tests.bench.floors import Stopwatch, bodies
from tests.bench.load_floors import copy_rows, names_of
from tests.bench.packing import HEADER, TRAILER, integer, row, text

_COPY_TEXT = sql.SQL("COPY {} ({}) FROM STDIN")
_BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
_MAKE_NODES = """
    CREATE TABLE public.nodes (
        field_key text, path text, key text, label text, depth integer, parent text, PRIMARY KEY (field_key, path)
    )
"""
_NODES = sql.Identifier("public", "nodes"), ("field_key", "path", "key", "label", "depth", "parent")


def plain_trees(folder: Path, url: str) -> float:
    """The dictionaries of the case fields flattened and copied into a keyed table."""
    body = dict(bodies(folder))[CASE_FIELDS]
    with psycopg.connect(url) as connection:
        connection.execute(_MAKE_NODES)
        with Stopwatch() as watch:
            fields: list[dict[str, Any]] = msgspec.json.decode(body)
            rows = b"".join([_node_rows(field["key"], field["dict_list"]) for field in fields])
            copy_rows(connection, *_NODES, (HEADER, rows, TRAILER))
            connection.commit()
    return watch.seconds


def own_trees(folder: Path, url: str) -> float:
    """The same into this product's own tables, every column of them, with one version of each entry."""
    body = dict(bodies(folder))[CASE_FIELDS]
    with psycopg.connect(url) as connection, Stopwatch() as watch:
        fields = [case_fields.case_field(item) for item in jsontext.parse_json(body)]
        nodes = (node for field in fields if isinstance(field, CaseField) for node in field.entries())
        entries = [node._asdict() for node in nodes if isinstance(node, EntryRow)]
        for table in (tables.case_field_entries, tables.case_field_entries_versions):
            _copy_values(connection, table, entries)
        connection.commit()
    return watch.seconds


def _copy_values(connection: psycopg.Connection[Any], table: Table, rows: list[dict[str, Any]]) -> None:
    names = [name for name in EntryRow._fields if name in table.columns]
    begin = ("valid_from",) if "valid_from" in table.columns else ()
    statement = _COPY_TEXT.format(sql.Identifier("talkdesk", table.name), names_of(("account", *names, *begin)))
    with connection.cursor().copy(statement) as target:
        for each in rows:
            values = [Jsonb(each[name]) if name == "extra" else each[name] for name in names]
            target.write_row(("bench", *values, *(_BEGAN for _ in begin)))


def _node_rows(field_key: str, roots: list[dict[str, Any]]) -> bytes:
    found = []
    pending: list[tuple[dict[str, Any], int, str | None]] = [(node, 1, None) for node in roots]
    while pending:
        node, depth, parent = pending.pop()
        path = node["key"] if parent is None else f"{parent}/{node['key']}"
        cells = (text(field_key), text(path), text(node["key"]), text(node["value"]), integer(depth), text(parent))
        found.append(row(cells))
        pending += [(child, depth + 1, path) for child in node["children"]]
    return b"".join(found)
