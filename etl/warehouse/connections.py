"""Connections to the warehouse: each is to a server that answers, and keeps the contract of `settings`."""

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Engine, Pool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from etl.errors import DatabaseError
from etl.threads import in_background
from etl.warehouse import settings

NETWORK = {  # a server that vanished without a word is noticed soon enough to be given up within half a minute
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}
OPEN_SECONDS = 12.0
WAKE_SECONDS = 0.5
SESSION_PID = "session pid"
IN_RECOVERY = "SELECT pg_catalog.pg_is_in_recovery()"
POOLED = (
    "DATABASE_URL leads through a pooler in transaction mode, in which a sync cannot hold its lock: "
    "use its session mode, or the server's own address"
)
IN_STATEMENT_MODE = (
    "DATABASE_URL leads through a pooler in statement mode, in which there are no transactions: "
    "use its session mode, or the server's own address"
)


def open_engine(
    url: str, *, application_name: str = "talkdesk-etl", read_only: bool = False, pool: type[Pool] = NullPool
) -> Engine:
    """Return an engine whose every transaction begins with the contract of a session, and its execution option `also`.

    Without a pool: one process needs one connection, and a dead one must not come back. Nothing is reset: a connection
    that comes back is closed, and one that was lost could only complain.
    """

    def connect() -> psycopg.Connection[Any]:
        return _dial(url, application_name, read_only=read_only)

    engine = create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=pool, pool_reset_on_return=None, use_native_hstore=False
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _begin_in_session(connection, read_only=read_only)

    return engine


def _begin_in_session(connection: Connection, *, read_only: bool) -> None:
    """Begin a transaction; in another process than the session's it would not be under the session's lock."""
    driver = driver_of(connection)
    try:
        pid = settings.begin(driver, read_only=read_only, also=connection.get_execution_options().get("also"))
        _require_pid(connection, pid)
    except BaseException:
        with suppress(psycopg.Error):
            driver.rollback()
        raise


def _require_pid(connection: Connection, pid: int) -> None:
    if connection.info.get(SESSION_PID, pid) != pid:
        raise DatabaseError(POOLED)


def driver_of(connection: Connection) -> "psycopg.Connection[Any]":
    """Return the driver's connection inside."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def hang_up(driver: "psycopg.Connection[Any]") -> None:
    """Cut the connection's socket: whoever waits for an answer on it has lost its connection, and may close it."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(driver.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def close(connection: Connection) -> None:
    """Close the connection, whatever had become of it, without a word to a server that may not answer any more.

    What it leaves open is rolled back by the server. Whoever still waits on it is woken first: what libpq holds must
    not be freed under a call.
    """
    with suppress(DBAPIError, psycopg.Error):
        if not connection.closed and not connection.invalidated:
            driver = driver_of(connection)
            if not driver.lock.acquire(timeout=WAKE_SECONDS):
                hang_up(driver)
                driver.lock.acquire()
            try:
                driver.close()
            finally:
                driver.lock.release()
            connection.invalidate()
        connection.close()


def conninfo(url: str, application_name: str) -> str:
    """Return what libpq is told: the URL, and what it leaves out of how a network is judged."""
    given = conninfo_to_dict(url)
    wanted: dict[str, str | int] = {**NETWORK, "application_name": application_name}
    defaults = {name: value for name, value in wanted.items() if name not in given}
    # Whatever the URL or a variable asks for: what follows is read before the contract holds.
    return make_conninfo(url, **defaults, client_encoding="UTF8")


def _dial(url: str, application_name: str, *, read_only: bool) -> "psycopg.Connection[Any]":
    """Return a connection whose server has answered: a pooler takes calls for a server that is silent."""
    info = conninfo(url, application_name)

    def dial() -> psycopg.Connection[Any]:
        connection = psycopg.connect(info, prepare_threshold=None)
        try:
            _require_service(connection, read_only=read_only)
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        return in_background(dial, stop=threading.Event(), seconds=OPEN_SECONDS, discard=psycopg.Connection.close)
    except TimeoutError:
        raise psycopg.errors.ConnectionTimeout("it does not answer") from None


def _require_service(connection: "psycopg.Connection[Any]", *, read_only: bool) -> None:
    """Raise unless the server takes such transactions; what SQLAlchemy asks first, it asks in one that only reads."""
    connection.isolation_level, connection.deferrable = psycopg.IsolationLevel.READ_COMMITTED, False
    connection.read_only = True
    try:
        row = connection.execute(IN_RECOVERY).fetchone()
    except psycopg.errors.ProtocolViolation:
        raise DatabaseError(IN_STATEMENT_MODE) from None
    connection.rollback()
    if row and row[0] and not read_only:
        raise DatabaseError("the database is a standby and takes no writes: DATABASE_URL must lead to the primary")
