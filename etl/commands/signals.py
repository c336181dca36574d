"""Signals: a stop that is asked for, and one before there is anything to close."""

import os
import signal
import threading
from collections.abc import Callable

from etl.errors import Interrupted


def stop_on_signals() -> threading.Event:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        if stop.is_set():
            os._exit(Interrupted.exit_code)
        stop.set()

    on_signals(on_signal)
    return stop


class _Stop(KeyboardInterrupt):
    """A signal before there is anything to close.

    After a plain KeyboardInterrupt out of code that is made on the fly, as named tuples are, Python ends itself by
    SIGINT, whatever exit code we ask for.
    """


def raise_stop(*_: object) -> None:
    """Raise what ends a command that has nothing to close yet; a handler of signals."""
    raise _Stop


def on_signals(handler: Callable[..., None]) -> None:
    """Call the handler at SIGINT and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
