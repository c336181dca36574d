"""The schema's migrations: run, printed, and required to be at head."""

import io
from pathlib import Path
from typing import Any

from psycopg import errors as pg
from sqlalchemy import Connection, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import column

from etl.errors import DatabaseError
from etl.warehouse.connections import open_engine
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import REVISION, SCHEMA


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
    """Afterwards the schema is at head; nothing is touched if it was. Says the revision before and after."""
    from alembic import command  # noqa: PLC0415 - see _alembic

    with translated(), open_engine(url).connect() as connection:
        before = revision(connection)
        if before == REVISION:
            return before, REVISION
        require_known(before)
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        return before, REVISION


def migration_sql() -> str:
    """The SQL that brings an empty database to head."""
    from alembic import command  # noqa: PLC0415 - see _alembic

    output = io.StringIO()
    command.upgrade(_alembic(output), "head", sql=True)
    return output.getvalue()


def revision(connection: Connection) -> str | None:
    """The schema's revision; None if it was never migrated."""
    version = table("alembic_version", column("version_num"), schema=SCHEMA)
    try:
        found: str | None = connection.execute(select(version.c.version_num)).scalar()
    except DBAPIError as error:
        connection.rollback()
        if isinstance(error.orig, pg.UndefinedTable | pg.InvalidSchemaName):
            return None
        raise
    connection.rollback()
    return found


def require_head(connection: Connection) -> None:
    """Raise unless the schema is the one this code was written for."""
    found = revision(connection)
    if found != REVISION:
        require_known(found)
        state = "has never been migrated" if found is None else f"is at revision {found}, not at {REVISION}"
        raise DatabaseError(f"the schema {state}: run `talkdesk-etl migrate` with the same version of talkdesk-etl")


def require_known(found: str | None) -> None:
    """Raise if the revision is of a newer version than this one."""
    known = {path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("*.py")}
    if found is not None and found not in known:
        raise DatabaseError(
            f"the schema is at revision {found}, which this version does not know: install the newer talkdesk-etl"
        )
