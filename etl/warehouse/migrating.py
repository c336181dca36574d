"""The schema's migrations: run, printed, and required to be at head."""

import io
from pathlib import Path
from typing import Any

from psycopg import errors as pg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.errors import DatabaseError, UsageError, one_line
from etl.warehouse import rights, sqlstates
from etl.warehouse.connections import open_engine
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import REVISION, SCHEMA, metadata

MOST_SHOWN = 40
BASE = "base"
VERSIONS = f"{SCHEMA}.alembic_version"
PUT_BACK = (
    "restore it from a backup, or, if this version made the tables, write its revision there by hand: "
    f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version_num varchar(32) PRIMARY KEY), and into it '{REVISION}'"
)
START_AGAIN = f"restore them from a backup, or rename the schema {SCHEMA} and begin anew"


def migrations_folder() -> Path:
    """Beside the code in a wheel, beside the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def _alembic(output: io.StringIO | None = None) -> Any:
    from alembic.config import Config  # noqa: PLC0415 - takes a third of a second to import

    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(url: str) -> tuple[str | None, str]:
    """Migrate the schema to head; nothing is touched if it was. Says the revision before and after."""
    from alembic import command  # noqa: PLC0415 - see _alembic

    with translated(), open_engine(url, application_name="talkdesk-etl migrate").connect() as connection:
        with rights.named(connection, rights.lacking_to_migrate):
            before = revision(connection)
        if before == REVISION:
            return before, REVISION
        config = _alembic()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
            connection.commit()
        except DBAPIError as error:
            connection.rollback()
            raise DatabaseError(_failed(connection, error)) from None
        return before, REVISION


def _failed(connection: Connection, error: DBAPIError) -> str:
    """Return why a migration failed, what it met, and, where rights were lacking, the statements that give them."""
    met = sqlstates.object_met(error)
    said = f"the migration met: {met}" if met else "the migration failed"
    if isinstance(error.orig, pg.InsufficientPrivilege) and (lacking := rights.lacking_to_migrate(connection)):
        return f"{said}; the role lacks a right: {'; '.join(lacking)}"
    return f"{said}; {sqlstates.describe(error)}"


def migration_sql(since: str = BASE) -> str:
    """Return the SQL from that revision to head, by default from an empty database; nothing if it is there."""
    from alembic import command  # noqa: PLC0415 - see _alembic

    if since not in (known := {BASE, *_known()}):
        raise UsageError(
            f"--from {one_line(since)[:MOST_SHOWN]}: no such revision: {', '.join(sorted(known))} are known"
        )
    if since == REVISION:
        return ""
    output = io.StringIO()
    command.upgrade(_alembic(output), f"{since}:head", sql=True)
    return output.getvalue()


def stored_revision(url: str) -> str:
    """Return the revision of the warehouse, `base` if it was never migrated."""
    with (
        translated(),
        open_engine(url, read_only=True).connect() as connection,
        rights.named(connection, rights.lacking_to_read),
    ):
        return revision(connection) or BASE


def require_head(connection: Connection) -> None:
    """Raise unless the schema is the one this code was written for."""
    found = revision(connection)
    if found != REVISION:
        state = "has never been migrated" if found is None else f"is at revision {found}, not at {REVISION}"
        raise DatabaseError(f"the schema {state}: run `talkdesk-etl migrate` with the same version of talkdesk-etl")


def revision(connection: Connection) -> str | None:
    """Read the schema's revision, which this version knows; None if never migrated; else raise with a way out."""
    try:
        return _judged(*_state(connection))
    except DatabaseError:  # perhaps somebody migrated it between the two looks
        return _judged(*_state(connection))


def _state(connection: Connection) -> tuple[set[str], list[str | None] | None]:
    """Return which of our tables are there, and what Alembic's table says; None without such a table."""
    connection.rollback()
    try:
        there = set(connection.scalars(statement("tables_there"), {"names": list(_names())}))
        return there, _rows(connection)
    finally:
        connection.rollback()


def _rows(connection: Connection) -> list[str | None] | None:
    try:
        return list(connection.scalars(statement("revisions")))
    except DBAPIError as error:
        match error.orig:
            case pg.UndefinedTable() | pg.InvalidSchemaName():
                return None
            case pg.UndefinedColumn():
                raise DatabaseError(f"{VERSIONS} is not Alembic's table: rename it, and {PUT_BACK}") from None
        raise


def _judged(there: set[str], rows: list[str | None] | None) -> str | None:
    lacking = sorted(_names() - there)
    if not rows:
        if not there:
            return None
        state = "is not there" if rows is None else "is empty"
        raise DatabaseError(f"{VERSIONS} {state}, but tables of its schema are: {PUT_BACK}")
    if len(rows) > 1:
        raise DatabaseError(f"{VERSIONS} has {len(rows)} rows, and may have one: delete all, and {PUT_BACK}")
    found = one_line(rows[0] or "")[:MOST_SHOWN]
    if not found:
        raise DatabaseError(f"{VERSIONS} names no revision: delete its row, and {PUT_BACK}")
    if found not in _known():
        raise DatabaseError(
            f"the schema is at revision {found}, which this version does not know: install the newer talkdesk-etl"
        )
    if found == REVISION and lacking:
        raise DatabaseError(f"the schema is not complete, it lacks {', '.join(lacking)}: {START_AGAIN}")
    return found


def _names() -> set[str]:
    return {table.name for table in metadata.sorted_tables}


def _known() -> set[str]:
    return {path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("*.py")}
