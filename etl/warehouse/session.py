"""One account's session with the warehouse: a connection, the account's lock on it, and short transactions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import psycopg
from psycopg.errors import LockNotAvailable, UndefinedTable
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from etl.errors import DatabaseError, Interrupted, LockHeld, WarehouseReplaced
from etl.threads import in_background
from etl.warehouse import pooling, rights, settings
from etl.warehouse.connections import OPEN_SECONDS, SESSION_PID, close, driver_of
from etl.warehouse.guard import Guard, Watched
from etl.warehouse.migrating import require_head
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import describe, driver_error, is_lost, may_pass, translated

T = TypeVar("T")
P = ParamSpec("P")

LOCK = "talkdesk-etl "
"""Before an account's name, what its lock is called."""

LOCK_WAIT = "1900ms"  # the contract allows two seconds in all
AT_ONCE = "1ms"
"""How long whoever has other accounts to sync waits for the lock of one: no time at all."""
RECONNECT_SECONDS = 15.0  # with the ten that it takes to notice a silence, below the contract's thirty
ATTEMPTS = 5
XID = text("SELECT pg_current_xact_id_if_assigned()::text")
XACT_STATUS = text("SELECT pg_xact_status(CAST(:xid AS xid8))")
REPLACED = "the database is older than this run, as after a failover or from a copy: sync again"
NO_STANDBY = (
    "no synchronous standby confirms what is committed: it is stored on the primary alone; "
    "bring the standby back, or correct synchronous_standby_names"
)


class _Commit(NamedTuple):
    """A transaction that may have been committed: its number, None if it wrote nothing, and its result."""

    xid: str | None
    result: Any


class _Before(NamedTuple):
    """What a connection that takes the place of a lost one must find again."""

    database: int
    xid: str | None = None


class Warehouse:
    """A connection that holds the account's lock; a lost one is replaced unless another run came in between.

    `is_on_record` once the ledger has the run's row, which from then on must be there. `is_gone`: the database could
    not be reached, or not any more; that a session was ended does not mean it.
    """

    def __init__(
        self, engine: Engine, account: str, *, run_id: str, stop: threading.Event, lock_wait: str = LOCK_WAIT
    ) -> None:
        self._engine = engine.execution_options(also=settings.BATCHES)
        self._account, self._run_id, self._lock_wait = account, run_id, lock_wait
        self._connection: Connection | None = None
        self._witness: Connection | None = None
        self._watched: Watched | None = None
        self._guard = Guard(lambda: self._watched, stop=stop)
        self._commit: _Commit | None = None
        self._before: _Before | None = None
        self.is_on_record = False
        self.is_gone = False

    def open(self) -> None:
        """Open the session: connected, at head, under the account's advisory lock; else an error says why.

        Nobody waits for a database that was never there; a session that was ended is begun again.
        """
        self._guard.start()
        with self._explained():
            self._reconnect(OPEN_SECONDS, lambda error: is_lost(error) and not self.is_gone)

    def closing(self) -> None:
        """From now on a stop leaves transactions a moment: the run is being closed."""
        self._guard.closing()

    def close(self) -> None:
        """Close the session; the lock is free."""
        self._guard.close()
        self._disconnect()

    def transact(self, unit: Callable[Concatenate[Connection, P], T], *arguments: P.args, **named: P.kwargs) -> T:
        """Commit the unit, called with the connection and the arguments, and return what it returns.

        The unit runs again after a lost connection, unless it had been committed, and after a deadlock.
        """
        if self._guard.standby_is_gone and not self._guard.is_closing:
            raise DatabaseError(NO_STANDBY)
        self._commit = None
        retrying = Retrying(
            retry=retry_if_exception(lambda error: may_pass(error) and not self.is_gone),
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self._pause,
            reraise=True,
        )
        with self._explained():
            result: T = retrying(self._attempt, lambda connection: unit(connection, *arguments, **named))
        return result

    @property
    def reason_to_end(self) -> DatabaseError | None:
        """Why no other account need try."""
        if self.is_gone:
            return DatabaseError("the database cannot be reached")
        return DatabaseError(NO_STANDBY) if self._guard.standby_is_gone else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Translate errors of the driver inside into ours."""
        with translated():
            try:
                yield
            except (DBAPIError, psycopg.Error) as error:
                if self._guard.halt.is_set():
                    raise Interrupted("interrupted") from None
                if self.is_on_record and isinstance(driver_error(error), UndefinedTable):
                    raise WarehouseReplaced(describe(error)) from None
                raise

    def _attempt(self, unit: Callable[[Connection], T]) -> T:
        connection = self._connection or self._reconnect(RECONNECT_SECONDS, is_lost)
        try:
            if self._commit and _has_committed(connection, self._commit.xid):
                known: T = self._commit.result
                return known
            with rights.named(connection, rights.lacking_to_sync):
                return self._run(connection, unit)
        except BaseException as error:
            if is_lost(error) or connection.invalidated:
                self._disconnect()
            raise

    def _run(self, connection: Connection, unit: Callable[[Connection], T]) -> T:
        with connection.begin():
            if self._guard.standby_is_gone:
                connection.execute(_set("synchronous_commit", "local", is_local=True))
            # At COMMIT nobody could tell which row a customer's deferred constraint refuses.
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            result = unit(connection)
            if self._guard.halt.is_set():  # what it holds to be an item's fault may be the cancel
                raise Interrupted("interrupted")
            xid = connection.scalar(XID)
            self._commit = _Commit(xid, result)
        if self._before and xid:
            self._before = self._before._replace(xid=xid)
        return result

    def _reconnect(self, seconds: float, may_pass: Callable[[BaseException], bool]) -> Connection:
        """Return a session under the lock, a new one under the same lock if there was one before."""
        ends = time.monotonic() + seconds
        retrying = Retrying(
            retry=retry_if_exception(lambda error: may_pass(error) and not self._guard.halt.is_set()),
            stop=stop_after_delay(seconds),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            sleep=self._pause,
            reraise=True,
        )
        return retrying(lambda: self._connect(max(ends - time.monotonic(), 1)))

    def _pause(self, seconds: float) -> None:
        if self._guard.halt.wait(seconds):
            raise Interrupted("interrupted")

    def _connect(self, seconds: float) -> Connection:
        connection = self._connection = self._dial(seconds)
        try:
            self._prepare(connection)
        except BaseException:
            self._disconnect()
            raise
        return connection

    def _dial(self, seconds: float) -> Connection:
        """Return a connection, nothing more; afterwards it is known whether the database can be reached."""
        try:
            connection = in_background(self._engine.connect, stop=self._guard.halt, seconds=seconds, discard=close)
        except TimeoutError:
            self.is_gone = True
            raise psycopg.errors.ConnectionTimeout("it does not answer") from None
        except (DBAPIError, psycopg.Error, DatabaseError):
            self.is_gone = True
            raise
        self.is_gone = False
        return connection

    def _prepare(self, connection: Connection) -> None:
        """Prepare the session: it is our own, named after the run, at head, and holds the lock of the run on record."""
        self._watched = Watched(driver_of(connection), driver_of(connection).info.backend_pid)
        self._witness = pooling.require_own_session(connection, self._engine.connect, stop=self._guard.halt)
        pid = connection.info[SESSION_PID] = settings.keep(driver_of(connection))
        name = _session_name(self._run_id, self._account)
        with connection.begin():
            connection.execute(_set("application_name", name, is_local=False))
            connection.execute(statement("end_leftovers"), {"name": name})
        witness = driver_of(self._witness) if self._witness else None
        self._watched = Watched(driver_of(connection), pid, witness)
        self._require_head(connection)
        self._lock(connection)
        self._require_the_run(connection)

    def _require_head(self, connection: Connection) -> None:
        """Raise unless the schema is at head, as it was when the run began."""
        try:
            with rights.named(connection, rights.lacking_to_sync):
                require_head(connection)
        except DatabaseError as error:
            raise WarehouseReplaced(str(error)) if self.is_on_record else error from None

    def _lock(self, connection: Connection) -> None:
        """Take the account's lock; the session's end frees it, whatever ends the session."""
        lock = LOCK + self._account
        try:
            with connection.begin():
                # A session that takes the place of a lost one waits until the server has noticed that it is lost.
                wait = LOCK_WAIT if self._before else self._lock_wait
                connection.execute(_set("lock_timeout", wait, is_local=True))
                connection.execute(select(func.pg_advisory_lock(func.hashtextextended(lock, 0))))
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            holder = _holder(connection, lock)
            raise LockHeld(f"another sync of account {self._account} is at work{holder}") from None

    def _require_the_run(self, connection: Connection) -> None:
        """Raise if another run has closed this one as died, or if the database has forgotten what it knew of it."""
        with connection.begin():
            run = {"account": self._account, "run_id": self._run_id}
            database, outcome = connection.execute(statement("run_on_record"), run).one()
        if outcome == "died":
            raise LockHeld(f"another sync of account {self._account} took over while the connection was lost")
        before = self._before or _Before(database)
        if database != before.database or (self.is_on_record and outcome is None):
            raise WarehouseReplaced(REPLACED)
        if before.xid and not _has_committed(connection, before.xid):
            raise WarehouseReplaced(REPLACED)
        self._before = before

    def _disconnect(self) -> None:
        connections = (self._connection, self._witness)
        self._connection, self._witness, self._watched = None, None, None
        for connection in filter(None, connections):
            close(connection)


def _set(name: str, value: str, *, is_local: bool) -> Any:
    return select(func.set_config(name, value, is_local))


def _session_name(run_id: str, account: str) -> str:
    """Return what the session is called: by it the leftovers of the same run of the same account are found.

    The server keeps 63 bytes of a name.
    """
    return f"talkdesk-etl {run_id} {blake2b(account.encode(), digest_size=4).hexdigest()}"


def _has_committed(connection: Connection, xid: str | None) -> bool:
    """Return what became of the transaction; its session has ended, for its lock is ours."""
    if xid is None:
        return False
    try:
        with connection.begin():
            return bool(connection.scalar(XACT_STATUS, {"xid": xid}) == "committed")
    except DataError:  # after a failover the number may lie in the future
        return False


def _holder(connection: Connection, lock: str) -> str:
    """Return the run that holds the lock, unless its session belongs to a role that we may not see."""
    with connection.begin():
        found = connection.execute(statement("lock_holder"), {"lock": lock}).first()
    if found is None:
        return ""
    run = found.application_name.removeprefix("talkdesk-etl ").rpartition(" ")[0] or "without a name"
    return f": run {run}, since {found.since:%Y-%m-%d %H:%M:%S} UTC"
