"""Short transactions; none is open while somebody waits for the source.

All that is read is read in transactions that can only read. Records are compared quickest in temporary tables, which
such a transaction cannot fill: where the house lets us have some, a second session does that, and nothing else.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from etl import load
from etl.errors import DatabaseError, Interrupted, NotStorable
from etl.warehouse import rights
from etl.warehouse.connections import driver_of, open_engine
from etl.warehouse.migrating import require_head
from etl.warehouse.settings import BATCHES
from etl.warehouse.sqlstates import describe, is_of_the_item, translated

T = TypeVar("T")
P = ParamSpec("P")

LOOK_SECONDS = 0.2
CANCEL_SECONDS = 1.0


class Session:
    """A connection to a warehouse at head, on which nothing is written; `staging` has temporary tables, if any has."""

    def __init__(self, connection: Connection, staging: Connection | None, stop: threading.Event) -> None:
        self._connection = connection
        self._staging = staging
        self._stop = stop

    @property
    def is_lost(self) -> bool:
        """True if the connection is gone."""
        return self._connection.invalidated or self._connection.closed

    @property
    def can_stage(self) -> bool:
        """True if rows can be compared in temporary tables."""
        return self._staging is not None

    def read(self, unit: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what the unit read, in a transaction of its own."""
        return self._transact(self._connection, lambda connection: unit(connection, *arguments, **named))

    def stage(self, unit: Callable[[Connection], T]) -> T:
        """Return what the unit read, in a transaction of the session that has temporary tables."""
        return self._transact(self._staging or self._connection, unit)

    def _transact(self, connection: Connection, unit: Callable[[Connection], T]) -> T:
        with translated():
            try:
                with rights.named(connection, rights.lacking_to_read), connection.begin():
                    return unit(connection)
            except (DBAPIError, psycopg.Error) as error:
                if self._stop.is_set():
                    raise Interrupted("interrupted") from None
                if is_of_the_item(error):
                    raise NotStorable(describe(error)) from None
                raise


@contextmanager
def open_session(url: str, *, stop: threading.Event) -> Iterator[Session]:
    """Open a session that can read the warehouse; a stop ends the statement under way."""
    closed = threading.Event()
    with translated(), _connected(url, read_only=True) as connection, _staging(url) as staging:
        with rights.named(connection, rights.lacking_to_read):
            require_head(connection)
        for each in filter(None, (connection, staging)):
            threading.Thread(target=_cancel_when_stopped, args=(driver_of(each), stop, closed), daemon=True).start()
        try:
            yield Session(connection, staging, stop)
        finally:
            closed.set()


def _connected(url: str, *, read_only: bool) -> Connection:
    engine = open_engine(url, application_name="talkdesk-etl verify", read_only=read_only)
    return engine.execution_options(also=BATCHES).connect()


@contextmanager
def _staging(url: str) -> Iterator[Connection | None]:
    """Open a session with temporary tables; None on a standby, behind a pooler, or where the role may have none."""
    with ExitStack() as closing:
        try:
            session = closing.enter_context(_connected(url, read_only=False))
            is_own = session.scalar(select(func.pg_backend_pid())) == driver_of(session).info.backend_pid
            load.stage(session, "", [])
            session.commit()
        except (DBAPIError, psycopg.Error, DatabaseError):
            yield None
        else:
            yield session if is_own else None


def _cancel_when_stopped(driver: "psycopg.Connection[Any]", stop: threading.Event, closed: threading.Event) -> None:
    while not closed.wait(LOOK_SECONDS):
        if stop.is_set():
            with suppress(psycopg.Error):
                driver.cancel_safe(timeout=CANCEL_SECONDS)
