"""Signals: what SIGINT and SIGTERM do at which time; three ways, from the first line of the program to its last.

    end_at_once       while the program is being loaded: there is nothing to close, and code that is being imported
                      may swallow an exception or print it
    raise_stop        while something wants to be closed on the way out, as the embedded database does
    stop_on_signals   while a sync or another long work looks at a flag by itself

Imports hardly anything: every module that is loaded before the first handler is a moment in which Python's own
handler would print a traceback.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

INTERRUPTED = 130
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it
_NOTHING_YET = (
    b'{"outcome":"interrupted","errors":[{"account":null,"resource":null,"import_id":null,'
    b'"exit_code":130,"message":"interrupted"}]}\n'
)


STOPPING = threading.Event()
"""Set once what is open is being unwound: whoever holds that up may be told."""


class Stop(BaseException):
    """A signal that unwinds what is open.

    No KeyboardInterrupt: after one out of code that is made on the fly, as named tuples are, Python ends itself by
    SIGINT, whatever exit code we ask for; and click would say something of its own.
    """


def on_signals(handler: Callable[..., object]) -> None:
    """Call the handler at SIGINT and SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def end_at_once(*_: object) -> NoReturn:
    """End the process with a line and, for `--json`, an object; a handler of signals before anything is open."""
    with suppress(OSError):
        os.write(2, b"talkdesk-etl: interrupted\n")
    with suppress(OSError):
        if "--json" in sys.argv[1:]:
            os.write(1, _NOTHING_YET)
    os._exit(INTERRUPTED)


def raise_stop(*_: object) -> NoReturn:
    """Raise what unwinds all that is open; a handler of signals."""
    STOPPING.set()
    raise Stop


def stop_on_signals() -> threading.Event:
    """Return an event that the first SIGINT or SIGTERM sets; the second one ends the process at once."""
    stop = threading.Event()

    def on_signal(*_: object) -> None:
        if stop.is_set():
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)
            os._exit(INTERRUPTED)
        stop.set()

    on_signals(on_signal)
    return stop
