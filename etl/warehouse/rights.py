"""What a role lacks for what it wants to do, in statements that whoever owns the schema can paste."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.errors import DatabaseError
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import Denied, is_denied
from etl.warehouse.tables import metadata

READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE")
DELETED_FROM = frozenset(
    {
        "coverage_folded",
        "import_record_errors",
        "import_records",
        "rejected_items",
        "sync_run_resources",
        "sync_runs",
    }
)


@contextmanager
def named(connection: Connection, lacking: Callable[[Connection], list[str]]) -> Iterator[None]:
    """Name the rights that the role lacks, if any, in a refusal inside; no transaction may be open around it."""
    try:
        yield
    except (DBAPIError, psycopg.Error, Denied) as error:
        if not is_denied(error):
            raise
        connection.rollback()
        found = lacking(connection)
        connection.rollback()
        if not found:
            raise
        raise DatabaseError(f"the role lacks a right: {'; '.join(found)}") from None


def lacking_to_sync(connection: Connection) -> list[str]:
    """Return the statements; a role that may create the schema has all rights in it afterwards."""
    needed = [
        (table.name, right)
        for table in metadata.sorted_tables
        for right in (*READ_AND_WRITE, *(("DELETE",) if table.name in DELETED_FROM else ()))
    ]
    tables, rights = zip(*needed, ("alembic_version", "SELECT"), strict=True)
    return _lacking(connection, "lacking_to_sync", tables=list(tables), rights=list(rights))


def lacking_to_delete(connection: Connection) -> list[str]:
    """Return the statements for deleting from every table, whatever else a sync would need."""
    tables = [table.name for table in metadata.sorted_tables]
    lacking = _lacking(connection, "lacking_to_sync", tables=tables, rights=["DELETE"] * len(tables))
    return [line for line in lacking if "DELETE" in line]


def lacking_to_read(connection: Connection) -> list[str]:
    """List the statements for all that a reader may see: of rejected items not the items, anybody's data."""
    return _lacking(connection, "lacking_to_read")


def lacking_to_migrate(connection: Connection) -> list[str]:
    """Return the statements; what is there may be changed by its owner alone."""
    return _lacking(connection, "lacking_to_migrate")


def _lacking(connection: Connection, name: str, **values: list[str]) -> list[str]:
    return list(connection.execute(statement(name), values).scalars())
