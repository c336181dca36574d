"""Two tables for records: the plain one that a script would make, and this product's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

from psycopg import sql

from tests.bench.packing import NULL, bigint, instant, integer, jsonb, row, text

_NESTED = ("id", "line", "status", "error", "data")


class Shape(NamedTuple):
    """A table, and how a record becomes a row of it."""

    name: str
    table: sql.Identifier
    key: tuple[str, ...]
    columns: tuple[str, ...]
    pack: Callable[[str, dict[str, Any]], bytes]


def _plain(import_id: str, record: dict[str, Any]) -> bytes:
    cells, error = record["data"], record["error"]
    what = (text(error["code"]), text(error["message"]), jsonb(error["fields"])) if error else (NULL, NULL, NULL)
    return row(
        (
            text(record["id"]),
            text(import_id),
            integer(record["line"]),
            text(record["status"]),
            *what,
            text(cells["email"]),
            text(cells["name"]),
            text(cells["role"]),
            text(cells["extension"]),
            jsonb(cells["ring_groups"]),
            instant(record["created_at"]),
            instant(record["updated_at"]),
        )
    )


def _own(import_id: str, record: dict[str, Any]) -> bytes:
    outer = {name: value for name, value in record.items() if name not in _NESTED}
    return row(
        (
            text("bench"),
            text(import_id),
            text("id:" + record["id"]),
            text(record["id"]),
            bigint(record["line"]),
            bigint(record["line"] - 1),
            text(record["status"]),
            jsonb(record["data"] | outer),
        )
    )


MAKE_PLAIN = """
    CREATE TABLE public.records (
        id text PRIMARY KEY, import_id text, line integer, status text, error_code text, error_message text,
        error_fields jsonb, email text, name text, role text, extension text, ring_groups jsonb,
        created_at timestamptz, updated_at timestamptz
    )
"""

PLAIN = Shape(
    name="plain",
    table=sql.Identifier("public", "records"),
    key=("id",),
    columns=(
        *("id", "import_id", "line", "status", "error_code", "error_message", "error_fields"),
        *("email", "name", "role", "extension", "ring_groups", "created_at", "updated_at"),
    ),
    pack=_plain,
)
OWN = Shape(
    name="own",
    table=sql.Identifier("talkdesk", "import_records"),
    key=("account", "import_id", "record_key"),
    columns=("account", "import_id", "record_key", "record_id", "line", "position", "status", "data"),
    pack=_own,
)
SHAPES = {shape.name: shape for shape in (PLAIN, OWN)}
