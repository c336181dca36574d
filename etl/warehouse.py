"""One account's session with the warehouse: a connection, the account's lock on it, and short transactions."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from etl.database import is_lost, require_head, translated
from etl.errors import Interrupted, LockHeld
from etl.tables import sync_runs

T = TypeVar("T")

LOCK_WAIT = "1900ms"  # the contract allows two seconds in all
RECONNECT_SECONDS = 20.0
CANCEL_SECONDS = 1.0


class Warehouse:
    """A connection that holds the account's lock; a lost one is replaced as long as nobody took the lock meanwhile."""

    def __init__(self, engine: Engine, account: str, *, stop: threading.Event, dry_run: bool = False) -> None:
        self._engine, self._account, self._stop, self._dry_run = engine, account, stop, dry_run
        self._connection: Connection | None = None
        self._closing = threading.Event()

    def open(self) -> None:
        """Afterwards this session is connected, at head, and holds the account's lock; else an error says why."""
        with translated():
            self._connect()

    def close(self) -> None:
        """Afterwards the lock is free."""
        if self._connection is not None:
            with suppress(DBAPIError, psycopg.Error):
                self._connection.close()
            self._connection = None

    def transact(self, unit: Callable[[Connection], T]) -> T:
        """The unit's result, committed, or rolled back in a dry run; the unit may run again after a lost connection."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: is_lost(error) and not self._stop.is_set()),
            stop=stop_after_delay(RECONNECT_SECONDS),
            wait=wait_random_exponential(multiplier=0.2, max=3),
            sleep=self._pause,
            reraise=True,
        )
        with translated():
            try:
                result: T = retrying(self._attempt, unit)
            except (DBAPIError, psycopg.Error):
                if self._stop.is_set() and not self._closing.is_set():
                    raise Interrupted("interrupted") from None
                raise
        return result

    def closing(self) -> None:
        """From now on statements are no longer cancelled by a stop: the run is being closed."""
        self._closing.set()

    def cancel_when_stopped(self) -> None:
        """Once there is a stop, end the statement under way; runs in a thread of its own until the run is closed."""
        while not self._closing.wait(CANCEL_SECONDS / 10):
            connection = self._connection
            if connection is not None and self._stop.is_set():
                with suppress(DBAPIError, psycopg.Error, AttributeError):
                    _driver(connection).cancel_safe(timeout=CANCEL_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds) and not self._closing.is_set():
            raise Interrupted("interrupted")

    def _attempt(self, unit: Callable[[Connection], T]) -> T:
        connection = self._connection or self._connect()
        try:
            return self._run(connection, unit)
        except BaseException as error:
            if is_lost(error) or connection.invalidated:
                self.close()
            raise

    def _run(self, connection: Connection, unit: Callable[[Connection], T]) -> T:
        with connection.begin() as transaction:
            # Without statistics the planner would join a batch row by row with the whole account.
            connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
            result = unit(connection)
            if self._dry_run:
                transaction.rollback()
        return result

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            require_head(connection)
            self._lock(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _lock(self, connection: Connection) -> None:
        """Take the account's lock; the session's end frees it, whatever ends the session."""
        key = func.hashtextextended(f"talkdesk-etl {self._account}", 0)
        try:
            connection.execute(select(func.set_config("lock_timeout", LOCK_WAIT, True)))  # noqa: FBT003
            connection.execute(select(func.pg_advisory_lock(key)))
            connection.commit()
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            connection.rollback()
            holder = self._holder(connection)
            raise LockHeld(f"another sync of account {self._account} is at work{holder}") from None

    def _holder(self, connection: Connection) -> str:
        mine = (sync_runs.c.account == self._account, sync_runs.c.outcome == "running")
        newest = select(sync_runs.c.run_id, sync_runs.c.started_at).where(*mine)
        run = connection.execute(newest.order_by(sync_runs.c.started_at.desc())).first()
        return f": run {run.run_id}, since {run.started_at:%Y-%m-%d %H:%M:%S} UTC" if run else ""


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
