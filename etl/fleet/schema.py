"""The queue's schema: made by Procrastinate's own SQL, and taken to the installed version by its own migrations."""

from pathlib import Path

from procrastinate.schema import SchemaManager
from psycopg import sql
from sqlalchemy import Connection, func, select

from etl.errors import DatabaseError
from etl.warehouse.connections import driver_of, open_engine
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated

SCHEMA = "procrastinate"
NOTE = "Queue of the workers of talkdesk-etl, by Procrastinate, at its migration "
"""What the schema's comment says, before the name of the last migration."""
NOT_OURS = f"the schema {SCHEMA} is there and was not made by talkdesk-etl: rename it, or use another database"
NOT_THERE = "the queue is not there, or of another version: run `talkdesk-etl migrate --worker`"


def migrate(url: str) -> tuple[str | None, str]:
    """Make the queue's schema, or take it to the installed version; says its last migration before and after."""
    with (
        translated(),
        open_engine(url, application_name="talkdesk-etl migrate").connect() as connection,
        connection.begin(),
    ):
        before, newest = revision(connection), _migrations()[-1].stem
        if before == newest:
            return before, newest
        if before is None:
            connection.execute(statement("create_queue"))
            todo = [SchemaManager.get_schema()]
        else:
            todo = [path.read_text(encoding="utf-8") for path in _migrations() if path.stem > before]
        connection.execute(select(func.set_config("search_path", SCHEMA, True)))  # noqa: FBT003 - of Postgres
        for script in todo:
            driver_of(connection).execute(script.encode())
        note = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(SCHEMA), sql.Literal(NOTE + newest))
        driver_of(connection).execute(note)
        return before, newest


def revision(connection: Connection) -> str | None:
    """Return the last migration of the queue's schema; None if it is not there; raise if it is somebody else's."""
    found = connection.execute(statement("queue_note")).first()
    if found is None:
        return None
    if not (found.note or "").startswith(NOTE):
        raise DatabaseError(NOT_OURS)
    return str(found.note).removeprefix(NOTE)


def require_queue(connection: Connection) -> None:
    """Raise unless the queue is there, at the installed version, and this role may work with it."""
    if revision(connection) != _migrations()[-1].stem:
        raise DatabaseError(NOT_THERE)
    if (lacking := connection.scalar(statement("lacking_in_queue"))) is not None:
        raise DatabaseError(f"the role lacks a right: {lacking}")


def _migrations() -> list[Path]:
    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
