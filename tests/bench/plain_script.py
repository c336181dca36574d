"""What somebody writes in an afternoon: requests, SQLAlchemy, upserts in batches; everything again at each run.

It takes the address of the API and the URL of the database. No retries, no history, no note of what it did.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import requests
from sqlalchemy import Boolean, Column, Connection, DateTime, Integer, MetaData, Table, Text, create_engine
from sqlalchemy.dialects.postgresql import JSONB, insert

BATCH_ROWS = 1_000

metadata = MetaData()
imports = Table(
    "imports",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("filename", "type", "status", "created_by", "updated_by", "canceled_by")),
    *(Column(name, Integer) for name in ("total_records", "completed_records", "failed_records")),
    *(Column(name, DateTime(timezone=True)) for name in ("created_at", "updated_at", "canceled_at")),
)
records = Table(
    "records",
    metadata,
    Column("id", Text, primary_key=True),
    Column("line", Integer),
    Column("error_fields", JSONB(none_as_null=True)),
    Column("ring_groups", JSONB),
    *(Column(name, Text) for name in ("import_id", "status", "error_code", "error_message")),
    *(Column(name, Text) for name in ("email", "name", "role", "extension")),
    *(Column(name, DateTime(timezone=True)) for name in ("created_at", "updated_at")),
)
case_fields = Table(
    "case_fields",
    metadata,
    Column("key", Text, primary_key=True),
    *(Column(name, Text) for name in ("name", "type", "description")),
    *(Column(name, Boolean) for name in ("required", "active")),
    *(Column(name, DateTime(timezone=True)) for name in ("created_at", "updated_at")),
)
options = Table(
    "options",
    metadata,
    Column("field_key", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    *(Column(name, Text) for name in ("key", "label", "parent")),
    Column("depth", Integer),
)


def main(api: str, database: str) -> None:
    """Afterwards the database holds what the API shows."""
    engine = create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with requests.Session() as session:
        with engine.begin() as connection:
            metadata.create_all(connection)
            listed = list(items(session, f"{api}/bulk-imports/users", "imports"))
            upsert(connection, imports, listed)
        for each in listed:
            found = items(session, each["_links"]["records"]["href"], "records")
            with engine.begin() as connection:
                upsert(connection, records, (record_row(item, each["id"]) for item in found))
        with engine.begin() as connection:
            fields = session.get(f"{api}/cm/meta/va/fields", timeout=60).json()
            upsert(connection, case_fields, fields)
            upsert(connection, options, (row for each in fields for row in option_rows(each["key"], each["dict_list"])))


def items(session: requests.Session, url: str | None, name: str) -> Iterator[dict[str, Any]]:
    """The items of a list, page by page."""
    while url:
        answer = session.get(url, timeout=60)
        answer.raise_for_status()
        page = answer.json()
        yield from page["_embedded"][name]
        url = page["_links"].get("next", {}).get("href")


def upsert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Afterwards the rows are in the table."""
    statement = insert(table)
    written = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=written)
    names = table.columns.keys()
    source = iter(rows)
    while batch := [{name: row.get(name) for name in names} for row in islice(source, BATCH_ROWS)]:
        connection.execute(statement, batch)


def record_row(item: dict[str, Any], import_id: str) -> dict[str, Any]:
    """A record with its cells and its error beside it."""
    error = {f"error_{name}": value for name, value in (item["error"] or {}).items()}
    return {**item, **item["data"], **error, "import_id": import_id}


def option_rows(
    field_key: str, nodes: list[dict[str, Any]], depth: int = 1, parent: str | None = None
) -> Iterator[dict[str, Any]]:
    """The nodes of a tree."""
    for node in nodes:
        path = node["key"] if parent is None else f"{parent}/{node['key']}"
        row = {"field_key": field_key, "path": path, "key": node["key"], "label": node["value"]}
        yield {**row, "depth": depth, "parent": parent}
        yield from option_rows(field_key, node["children"], depth + 1, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
