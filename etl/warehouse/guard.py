"""Two threads beside a database session: they end what would not end by itself."""

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

LOOK_SECONDS = 0.1
CANCEL_SECONDS = 0.5
OBEY_SECONDS = 0.5
STOP_SECONDS = 1.2  # the contract allows two in all
SILENT_SECONDS = 5.0
NEWCOMER_SECONDS = 5


class Guard:
    """Watches over one session, which may be replaced meanwhile, from its start until it is closed.

    At a stop, the statement under way is cancelled; if it does not obey, its connection is cut, and once more if
    even the closing of the run takes too long. A server that has fallen silent is not waited for either.
    """

    def __init__(self, session: Callable[[], "psycopg.Connection[Any] | None"], *, stop: threading.Event) -> None:
        self._session, self._stop = session, stop
        self._closing, self._closed, self._over = threading.Event(), threading.Event(), threading.Event()
        self._cancelling = threading.Lock()

    def start(self) -> None:
        """Afterwards the session is watched."""
        for watch in (self._watch_the_stop, self._watch_the_server):
            threading.Thread(target=watch, daemon=True).start()

    def closing(self) -> None:
        """From now on nothing is cancelled: the run is being closed, and has a moment for it after a stop."""
        with self._cancelling:  # a late cancel would strike the run's last statement
            self._closing.set()

    def close(self) -> None:
        """Afterwards nothing is watched."""
        self._closed.set()

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
            self._hang_up()
        if not self._closed.wait(began + STOP_SECONDS - time.monotonic()):
            self._over.set()
            self._hang_up()

    def _watch_the_server(self) -> None:
        """A statement may take its time; a server that lets a newcomer wait, too, is gone."""
        while not self._closed.wait(SILENT_SECONDS):
            session = self._session()
            if session is not None and _is_silent(session) and session is self._session():
                self._hang_up()

    def _cancel(self) -> None:
        with self._cancelling, suppress(psycopg.Error):
            session = self._session()
            if session is not None and not self._closing.is_set():
                session.cancel_safe(timeout=CANCEL_SECONDS)

    def _hang_up(self) -> None:
        """Whoever waits for the session has lost its connection; closing it would be up to the thread that waits."""
        session = self._session()
        if session is not None:
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(session.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)


def _is_silent(session: "psycopg.Connection[Any]") -> bool:
    if session.info.transaction_status is not TransactionStatus.ACTIVE:
        return False
    known = session.info
    try:
        psycopg.connect(known.dsn, password=known.password, connect_timeout=NEWCOMER_SECONDS).close()
    except psycopg.errors.ConnectionTimeout:
        return True
    except psycopg.Error:  # whatever it says, it answers
        return False
    return False
