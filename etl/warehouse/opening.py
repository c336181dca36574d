"""The warehouse of a command: its address, embedded if none is named, and a connection that only reads."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection

from etl.config import WarehouseSettings, real_accounts
from etl.errors import UsageError, one_line
from etl.warehouse import rights
from etl.warehouse.connections import open_engine
from etl.warehouse.migrating import migrate, require_head
from etl.warehouse.sqlstates import translated

log = logging.getLogger(__name__)


@contextmanager
def warehouse_url(settings: WarehouseSettings) -> Iterator[str]:
    """Give the warehouse's libpq URL; without `DATABASE_URL` the embedded database runs inside, at head."""
    if settings.database_url is not None:
        yield _readable(settings.database_url.get_secret_value())
        return
    from etl.warehouse import embedded  # noqa: PLC0415 - only those without DATABASE_URL pay for it

    with embedded.running(settings.embedded_home) as url:
        migrate(url)
        yield url


def warehouse_name(settings: WarehouseSettings) -> str:
    """Host and database, or `embedded` and its folder; never a user or a password."""
    if settings.database_url is None:
        return one_line(f"embedded {settings.embedded_home}")
    # libpq alone knows what its variables and services add. It reads all that, then refuses before it dials.
    info = make_conninfo(_readable(settings.database_url.get_secret_value()), sslmode="none: nothing is dialled")
    asked = psycopg.pq.PGconn.connect_start(info.encode())
    try:
        given = {option.keyword.decode(): (option.val or b"").decode(errors="replace") for option in asked.info}
        host = given["host"] or given["hostaddr"] or asked.host.decode(errors="replace")
    finally:
        asked.finish()
    return one_line(f"{host}/{given['dbname']}")


def warn_of_embedded(settings: WarehouseSettings) -> None:
    """Say so if accounts that are no sandboxes meet the embedded database: the variable may have been forgotten."""
    if settings.database_url is None and (accounts := real_accounts()):
        message = "DATABASE_URL is not set: the warehouse of %s is the embedded database in %s"
        log.warning(message, ", ".join(accounts), settings.embedded_home)


def _readable(url: str) -> str:
    """Return the URL if libpq can read it; its own complaint may quote a secret, so it is not passed on."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise UsageError("DATABASE_URL: a parameter or a value in it is not known to libpq") from None
    return url


@contextmanager
def read_only(url: str) -> Iterator[Connection]:
    """Open a connection to a schema at head, on which nothing can be written."""
    with (
        translated(),
        open_engine(url, read_only=True).connect() as connection,
        rights.named(connection, rights.lacking_to_read),
    ):
        require_head(connection)
        yield connection
