"""Connections to the warehouse, its migrations, and database errors in words.

Errors are matched by SQLSTATE or class, never by text, and a driver's message is never passed on whole:
it may quote row values.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, create_engine, select, table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import column

from etl.config import WarehouseSettings
from etl.errors import DatabaseError, NotStorable, UsageError
from etl.warehouse.tables import REVISION, SCHEMA

SESSION = {
    "timezone": "UTC",
    "search_path": "",  # every name in our SQL carries its schema
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "0",  # a sync's lock lives in a session that waits for the source
    # A machine that vanished must not keep the lock for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
NETWORK = {  # a server that vanished without a word is noticed soon enough to be given up within half a minute
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}
SET = """
    SELECT pg_catalog.set_config(name, value, false)
    FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS given (name, value)
"""
# Classes and codes of SQLSTATE that mean the end of the connection: the network, a shutdown, somebody's time limit.
LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")

NOT_STORABLE = frozenset({"22", "54"})  # data exceptions, program limits
WORDS: dict[str, str] = {
    "22": "a value does not fit into its column",
    "54": "a value is larger or deeper than the database can hold",
    "28": "the database refused the login: check user and password",
    "3D000": "the database does not exist: create it, or correct DATABASE_URL",
    "42501": "the role lacks a right: see the GRANTs in the README",
    "42P01": "the schema is not complete: run `talkdesk-etl migrate`",
    "3F000": "the schema does not exist: run `talkdesk-etl migrate`",
    "25006": "the database is read-only",
    "53100": "the database's disk is full",
    "53200": "the database is out of memory",
    "53300": "the database has no connection left",
    "55P03": "a table is locked by somebody else: see pg_stat_activity, then try again",
    "57014": "the statement was cancelled by the database",
    "40": "the database ended a deadlock or a conflict: try again",
    "0A000": "the database cannot do what is asked",
}


@contextmanager
def warehouse_url(settings: WarehouseSettings) -> Iterator[str]:
    """The warehouse's libpq URL; without `DATABASE_URL` the embedded database runs inside, at head."""
    if settings.database_url is not None:
        yield _readable(settings.database_url.get_secret_value())
        return
    from etl.warehouse import embedded  # noqa: PLC0415 - only those without DATABASE_URL pay for it

    with embedded.running(settings.home) as url:
        migrate(url)
        yield url


def _readable(url: str) -> str:
    """The URL in libpq's spelling; libpq's own complaint would quote the password, so it is not passed on."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise UsageError("DATABASE_URL must begin with postgresql://")
    url = f"postgresql://{rest}"
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise UsageError(
            "DATABASE_URL cannot be read as a Postgres URL (special characters must be percent-encoded)"
        ) from None
    return url


def open_engine(url: str, *, application_name: str = "talkdesk-etl") -> Engine:
    """An engine without a pool: one process needs one connection, and a dead one must not come back."""

    def connect() -> psycopg.Connection[Any]:
        given = conninfo_to_dict(url)
        wanted: dict[str, str | int] = {**NETWORK, "application_name": application_name}
        defaults = {name: value for name, value in wanted.items() if name not in given}
        # Packed rows and JSON are UTF-8, whatever the URL, a variable or the role asks for.
        info = make_conninfo(url, **defaults, client_encoding="UTF8")
        connection = psycopg.connect(info, autocommit=True, prepare_threshold=None)
        try:
            _set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    # Nothing to reset: a connection that comes back is closed, and one that was lost could only complain.
    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool, pool_reset_on_return=None)


def _set_up(connection: "psycopg.Connection[Any]") -> None:
    connection.execute(SET, (list(SESSION), list(SESSION.values())))
    with suppress(pg.InvalidParameterValue):  # a server on Windows cannot look whether we are still there
        connection.execute(SET, (["client_connection_check_interval"], ["500ms"]))
    connection.autocommit = False


@contextmanager
def translated() -> Iterator[None]:
    """Inside, an error of the driver becomes a `DatabaseError`, or `NotStorable`, in one line that says what to do."""
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        state = getattr(driver_error(error), "sqlstate", None) or ""
        raise (NotStorable if state[:2] in NOT_STORABLE else DatabaseError)(describe(error)) from None


def driver_error(error: BaseException) -> psycopg.Error | None:
    """The psycopg error inside, if there is one."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return original if isinstance(original, psycopg.Error) else None


def is_lost(error: BaseException) -> bool:
    """True if the connection is gone, so that a new one may do."""
    found = driver_error(error)
    if found is not None and found.sqlstate:
        return found.sqlstate.startswith(LOST)
    return isinstance(found, psycopg.OperationalError | psycopg.InterfaceError)


def may_pass(error: BaseException) -> bool:
    """True if the same transaction may succeed when it is tried again: lost, or the victim of a deadlock."""
    found = driver_error(error)
    return is_lost(error) or (found is not None and (found.sqlstate or "").startswith("40"))


def describe(error: BaseException) -> str:
    """One line about a driver's error, without row values or secrets."""
    found = driver_error(error)
    if found is None:
        return "the database reported an error without a name"
    if is_lost(error):
        return f"the database cannot be reached: {_first_line(found)}; is it running, and is DATABASE_URL right?"
    state = found.sqlstate or ""
    words = WORDS.get(state) or WORDS.get(state[:2]) or "the database reported an error"
    return f"{words} (SQLSTATE {state}, {type(found).__name__})"


def _first_line(error: psycopg.Error) -> str:
    """Connection errors name host, port and cause, and no values."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


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


@contextmanager
def read_only(url: str) -> Iterator[Connection]:
    """A connection in a read-only transaction on a schema at head."""
    with translated(), open_engine(url).connect() as connection:
        require_head(connection)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        yield connection


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
