"""Stops: the common one of a call, and one of its own for each account, which is also set when its time is over."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple, Self

from etl.errors import EtlError, Interrupted, OutOfTime

LOOK_SECONDS = 0.2


class AccountStop(NamedTuple):
    """What ends the work for one account: `event` once it shall end, whatever for."""

    event: threading.Event
    common: threading.Event
    limit: timedelta
    ends: float

    def look(self) -> None:
        """Set the event if the common stop is, or if the account's time is over."""
        if self.common.is_set() or time.monotonic() >= self.ends:
            self.event.set()

    def explain(self, error: EtlError) -> EtlError:
        """Return the error, or why the account was interrupted if nobody has asked for it."""
        if isinstance(error, Interrupted) and self.event.is_set() and not self.common.is_set():
            return OutOfTime(
                f"stopped after {self.limit.total_seconds():g} s, all that --limit or TALKDESK_ACCOUNT_LIMIT allows: "
                "what is stored stays, and the next sync goes on from there"
            )
        return error


class Stops:
    """Watches over the accounts under way, as a context manager; the limit is how long each may take."""

    def __init__(self, common: threading.Event, limit: timedelta) -> None:
        self._common, self._limit = common, limit
        self._under_way: set[AccountStop] = set()
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="stops", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    @contextmanager
    def own(self) -> Iterator[AccountStop]:
        """Give an account its own stop; its time begins now."""
        ends = time.monotonic() + self._limit.total_seconds()
        stop = AccountStop(threading.Event(), self._common, self._limit, ends)
        self._under_way.add(stop)
        stop.look()  # the watch may have ended with the common stop
        try:
            yield stop
        finally:
            self._under_way.remove(stop)

    def _watch(self) -> None:
        is_stopped = False
        while not (is_stopped or self._closed.is_set()):
            is_stopped = self._common.wait(LOOK_SECONDS)
            for stop in tuple(self._under_way):
                stop.look()
