"""One account's session with the warehouse: a connection, the account's lock on it, and short transactions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from etl.errors import Interrupted, LockHeld
from etl.threads import in_background
from etl.warehouse.guard import Guard
from etl.warehouse.migrating import require_head
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import is_lost, may_pass, translated
from etl.warehouse.tables import sync_runs

T = TypeVar("T")

LOCK_WAIT = "1900ms"  # the contract allows two seconds in all
OPEN_SECONDS = 12.0
RECONNECT_SECONDS = 15.0  # with the ten that it takes to notice a silence, below the contract's thirty
ATTEMPTS = 5
XID = text("SELECT pg_current_xact_id_if_assigned()::text")
XACT_STATUS = text("SELECT pg_xact_status(CAST(:xid AS xid8))")


class _Commit(NamedTuple):
    """A transaction that may have been committed: its number, None if it wrote nothing, and its result."""

    xid: str | None
    result: Any


class Warehouse:
    """A connection that holds the account's lock; a lost one is replaced unless another run came in between.

    `is_gone`: the database could not be reached, or not any more.
    """

    def __init__(
        self, engine: Engine, account: str, *, run_id: str, stop: threading.Event, dry_run: bool = False
    ) -> None:
        self._engine, self._account, self._run_id, self._dry_run = engine, account, run_id, dry_run
        self._connection: Connection | None = None
        self._driver: psycopg.Connection[Any] | None = None
        self._guard = Guard(lambda: self._driver, stop=stop)
        self._commit: _Commit | None = None
        self.is_gone = False

    def open(self) -> None:
        """Afterwards this session is connected, at head, and holds the account's lock; else an error says why."""
        self._guard.start()
        with self._explained():
            self._connect(OPEN_SECONDS)

    def closing(self) -> None:
        """From now on a stop leaves transactions a moment: the run is being closed."""
        self._guard.closing()

    def close(self) -> None:
        """Afterwards the lock is free."""
        self._guard.close()
        self._disconnect()

    def transact(self, unit: Callable[[Connection], T]) -> T:
        """The unit's result, committed, or rolled back in a dry run.

        The unit runs again after a lost connection, unless it had been committed, and after a deadlock.
        """
        self._commit = None
        retrying = Retrying(
            retry=retry_if_exception(lambda error: may_pass(error) and not self.is_gone),
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self._pause,
            reraise=True,
        )
        with self._explained():
            result: T = retrying(self._attempt, unit)
        return result

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Inside, errors of the driver become ours."""
        with translated():
            try:
                yield
            except (DBAPIError, psycopg.Error) as error:
                if self._guard.halt.is_set():
                    raise Interrupted("interrupted") from None
                self.is_gone = is_lost(error)
                raise

    def _attempt(self, unit: Callable[[Connection], T]) -> T:
        connection = self._connection or self._reconnect()
        try:
            if self._commit and _is_committed(connection, self._commit):
                known: T = self._commit.result
                return known
            return self._run(connection, unit)
        except BaseException as error:
            if is_lost(error) or connection.invalidated:
                self._disconnect()
            raise

    def _run(self, connection: Connection, unit: Callable[[Connection], T]) -> T:
        with connection.begin() as transaction:
            # Without statistics the planner would join a batch row by row with the whole account.
            connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
            result = unit(connection)
            if self._dry_run:
                transaction.rollback()
            else:
                self._commit = _Commit(connection.scalar(XID), result)
        return result

    def _reconnect(self) -> Connection:
        """A new session under the same lock."""
        ends = time.monotonic() + RECONNECT_SECONDS
        retrying = Retrying(
            retry=retry_if_exception(lambda error: is_lost(error) and not self._guard.halt.is_set()),
            stop=stop_after_delay(RECONNECT_SECONDS),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            sleep=self._pause,
            reraise=True,
        )
        try:
            return retrying(lambda: self._connect(max(ends - time.monotonic(), 1)))
        except (DBAPIError, psycopg.Error) as error:
            self.is_gone = is_lost(error)
            raise

    def _pause(self, seconds: float) -> None:
        if self._guard.halt.wait(seconds):
            raise Interrupted("interrupted")

    def _connect(self, seconds: float) -> Connection:
        try:
            connection = in_background(
                self._engine.connect, stop=self._guard.halt, seconds=seconds, discard=Connection.close
            )
        except TimeoutError:
            raise psycopg.errors.ConnectionTimeout("it does not answer") from None
        self._connection, self._driver = connection, connection.connection.driver_connection
        try:
            self._prepare(connection)
        except BaseException:
            self._disconnect()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        """The session bears the run's name, is at head and holds the lock."""
        name = f"talkdesk-etl {self._run_id}"
        with connection.begin():
            connection.execute(select(func.set_config("application_name", name, False)))  # noqa: FBT003
            connection.execute(statement("end_leftovers"), {"name": name})
        require_head(connection)
        self._lock(connection)
        self._require_the_run(connection)

    def _lock(self, connection: Connection) -> None:
        """Take the account's lock; the session's end frees it, whatever ends the session."""
        lock = f"talkdesk-etl {self._account}"
        try:
            with connection.begin():
                connection.execute(select(func.set_config("lock_timeout", LOCK_WAIT, True)))  # noqa: FBT003
                connection.execute(select(func.pg_advisory_lock(func.hashtextextended(lock, 0))))
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            holder = _holder(connection, lock)
            raise LockHeld(f"another sync of account {self._account} is at work{holder}") from None

    def _require_the_run(self, connection: Connection) -> None:
        """Raise if another run has closed this one as died: what this one read is older than what that one wrote."""
        mine = (sync_runs.c.account == self._account, sync_runs.c.run_id == self._run_id)
        with connection.begin():
            outcome = connection.scalar(select(sync_runs.c.outcome).where(*mine))
        if outcome == "died":
            raise LockHeld(f"another sync of account {self._account} took over while the connection was lost")

    def _disconnect(self) -> None:
        connection, self._connection, self._driver = self._connection, None, None
        if connection is not None:
            with suppress(DBAPIError, psycopg.Error):
                connection.close()


def _is_committed(connection: Connection, commit: _Commit) -> bool:
    """What became of the transaction; its session has ended, for its lock is ours."""
    if commit.xid is None:
        return False
    try:
        with connection.begin():
            return bool(connection.scalar(XACT_STATUS, {"xid": commit.xid}) == "committed")
    except DataError:  # after a failover the number may lie in the future
        return False


def _holder(connection: Connection, lock: str) -> str:
    with connection.begin():
        found = connection.execute(statement("lock_holder"), {"lock": lock}).first()
    if found is None:
        return ""
    run = found.application_name.removeprefix("talkdesk-etl ")
    return f": run {run}, since {found.since:%Y-%m-%d %H:%M:%S} UTC"
