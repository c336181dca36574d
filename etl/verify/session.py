"""Short read-only transactions on one connection; none is open while somebody waits for the source."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.errors import Interrupted
from etl.warehouse.connections import driver_of, open_engine
from etl.warehouse.migrating import require_head
from etl.warehouse.settings import BATCHES
from etl.warehouse.sqlstates import translated

T = TypeVar("T")

LOOK_SECONDS = 0.2
CANCEL_SECONDS = 1.0


class Session:
    """A connection to a warehouse at head, on which nothing is written."""

    def __init__(self, connection: Connection, stop: threading.Event) -> None:
        self._connection = connection
        self._stop = stop

    def read(self, unit: Callable[[Connection], T]) -> T:
        """What the unit read, in a transaction of its own."""
        with translated():
            try:
                with self._connection.begin():
                    return unit(self._connection)
            except (DBAPIError, psycopg.Error):
                if self._stop.is_set():
                    raise Interrupted("interrupted") from None
                raise


@contextmanager
def open_session(url: str, *, stop: threading.Event) -> Iterator[Session]:
    """Inside, the warehouse can be read; a stop ends the statement under way."""
    closed = threading.Event()
    engine = open_engine(url, application_name="talkdesk-etl verify", read_only=True)
    engine = engine.execution_options(also=BATCHES)
    with translated(), engine.connect() as connection:
        require_head(connection)
        threading.Thread(target=_cancel_when_stopped, args=(driver_of(connection), stop, closed), daemon=True).start()
        try:
            yield Session(connection, stop)
        finally:
            closed.set()


def _cancel_when_stopped(driver: "psycopg.Connection[Any]", stop: threading.Event, closed: threading.Event) -> None:
    while not closed.wait(LOOK_SECONDS):
        if stop.is_set():
            with suppress(psycopg.Error):
                driver.cancel_safe(timeout=CANCEL_SECONDS)
