"""Two threads beside a database session: they end what would not end by itself."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import TransactionStatus

from etl.errors import Interrupted
from etl.threads import in_background
from etl.warehouse import settings
from etl.warehouse.connections import hang_up

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
CANCEL_SECONDS = 0.5
OBEY_SECONDS = 0.5
STOP_SECONDS = 1.2  # the contract allows two in all
SILENT_SECONDS = 5.0
NEWCOMER_SECONDS = 5
STANDBY_SECONDS = 15
ACTIVITY = "SELECT wait_event, query_start FROM pg_catalog.pg_stat_activity WHERE pid = %s"


class Watched(NamedTuple):
    """A session, the server's process behind it, and, behind a pooler, a second session if there is one."""

    driver: "psycopg.Connection[Any]"
    pid: int
    witness: "psycopg.Connection[Any] | None" = None

    @property
    def is_pooled(self) -> bool:
        """True if a pooler answers in the server's stead."""
        return self.pid != self.driver.info.backend_pid


class Guard:
    """Watches over one session, which may be replaced meanwhile, from its start until it is closed.

    At a stop, the statement under way is cancelled; if it does not obey, its connection is cut, and once more if
    even the closing of the run takes too long. A server that has fallen silent is not waited for either, nor is a
    synchronous standby: `standby_is_gone` once a commit, which is done, no longer waits for it.
    """

    def __init__(self, session: Callable[[], Watched | None], *, stop: threading.Event) -> None:
        self._session, self._stop = session, stop
        self._closing, self._closed, self._over = threading.Event(), threading.Event(), threading.Event()
        self._cancelling = threading.Lock()
        self._commit: tuple[object, float] | None = None
        self.standby_is_gone = False

    def start(self) -> None:
        """Watch the session from now on."""
        for watch in (self._watch_the_stop, self._watch_the_server):
            threading.Thread(target=watch, daemon=True).start()

    def closing(self) -> None:
        """Cancel nothing from now on: the run is being closed, and has a moment for it after a stop."""
        with self._cancelling:  # a late cancel would strike the run's last statement
            self._closing.set()

    def close(self) -> None:
        """Watch nothing any more."""
        self._closed.set()

    @property
    def is_closing(self) -> bool:
        """True once the run is being closed."""
        return self._closing.is_set()

    @property
    def halt(self) -> threading.Event:
        """What ends every wait: the stop; while the run is being closed, the end of its time."""
        return self._over if self._closing.is_set() else self._stop

    def _watch_the_stop(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            if self._closed.is_set():
                return
        began = time.monotonic()
        while time.monotonic() - began < OBEY_SECONDS and not self._closing.wait(LOOK_SECONDS):
            self._cancel()
        if not self._closing.is_set():
            _hang_up(self._session())
        if not self._closed.wait(began + STOP_SECONDS - time.monotonic()):
            self._over.set()
            _hang_up(self._session())

    def _watch_the_server(self) -> None:
        """Hang up on a server that answers nobody else either; a statement may take its time."""
        while not self._closed.wait(SILENT_SECONDS):
            watched = self._session()
            if watched is None or watched.driver.info.transaction_status is not TransactionStatus.ACTIVE:
                continue
            try:
                self._watch_the_standby(watched, *_activity(watched, stop=self._closed))
            except TimeoutError:
                if watched is self._session():
                    _hang_up(watched)

    def _watch_the_standby(self, watched: Watched, wait_event: object = None, since: object = None) -> None:
        """Bound a commit that waits for a standby: it is done on the primary, and what it waits for may never come."""
        if wait_event != "SyncRep":
            self._commit = None
        elif self._commit is None or self._commit[0] != since:
            self._commit = since, time.monotonic()
            log.warning("a commit waits for a synchronous standby that does not confirm it")
        elif time.monotonic() - self._commit[1] > STANDBY_SECONDS:
            self.standby_is_gone = True
            with suppress(psycopg.Error):
                watched.driver.cancel_safe(timeout=CANCEL_SECONDS)

    def _cancel(self) -> None:
        with self._cancelling, suppress(psycopg.Error):
            watched = self._session()
            if watched is not None and not self._closing.is_set():
                watched.driver.cancel_safe(timeout=CANCEL_SECONDS)


def _activity(watched: Watched, *, stop: threading.Event) -> tuple[Any, ...]:
    """Ask what the session waits for, and since when its statement runs, if that can be told; TimeoutError if silent.

    A pooler without a second session for us says nothing about its server: it may be busy with others.
    """

    def ask() -> tuple[Any, ...]:
        if watched.witness is not None:
            return _ask(watched.witness, watched.pid)
        known = watched.driver.info
        with psycopg.connect(
            known.dsn, password=known.password, connect_timeout=NEWCOMER_SECONDS, prepare_threshold=None
        ) as newcomer:
            return () if watched.is_pooled else _ask(newcomer, watched.pid)

    try:
        return in_background(ask, stop=stop, seconds=NEWCOMER_SECONDS, discard=lambda _: None)
    except psycopg.errors.ConnectionTimeout:
        raise TimeoutError from None
    except (psycopg.Error, Interrupted):  # whatever it says, it answers
        return ()


def _ask(driver: "psycopg.Connection[Any]", pid: int) -> tuple[Any, ...]:
    settings.begin(driver, read_only=True)
    found = driver.execute(ACTIVITY, (pid,)).fetchone()
    driver.rollback()
    return found or ()


def _hang_up(watched: Watched | None) -> None:
    """Whoever waits for the session has lost its connection; closing it would be up to the thread that waits."""
    for driver in filter(None, (watched.driver, watched.witness) if watched else ()):
        hang_up(driver)
