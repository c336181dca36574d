"""Who flattens: this process the first pages, another one beside it the rest, if there are many.

One Python process computes on one processor only. Sending pages to another costs a fraction of what it takes over,
but starting it costs more than a small account's whole work.
"""

import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Self

from etl.errors import EtlError, Interrupted
from etl.reading.worker.messages import ERRORS, Begin, Channel, Question
from etl.reading.worker.page import FlatPage, flatten
from etl.transform.privacy import Privacy
from etl.transform.records import RecordFlattener

log = logging.getLogger(__name__)

ALONE_RECORDS = 10_000
"""So many records are flattened here in about the time that the other process takes to start."""
RECORDS_PER_QUESTION = 10
"""So many records of a page are flattened in less time than it takes to send the page there and back."""

# It imports what we would: by -I no variable and no file of the working directory has a say in it.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv.pop(1))
from etl.reading.worker.serve import main
main()
"""
_TOO_LATE = "nobody waits for these records any more"
_PASSED_ON = ("LD_LIBRARY_PATH", "PATH")  # what an interpreter may need; the settings hold secrets


class ProcessEnded(Exception):
    """The other process has ended before its time; what it was asked has to be asked anew."""


class Flattening:
    """Flattens the pages of imports, up to `channels` of them in the other process; use it as a context manager."""

    def __init__(self, privacy: Privacy, *, channels: int) -> None:
        self._privacy, self._number = privacy, channels
        self._lock = threading.Lock()
        self._idle: list[Channel] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._alone = 0
        self._output = select.poll()
        self._is_given_up = self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Afterwards the other process is gone; it holds nothing that would be lost."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                with self._process:
                    self._process.kill()
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def pages_of(self, import_id: str) -> Iterator[Callable[[bytes], FlatPage]]:
        """Inside, a function that flattens the import's pages, body by body, in order.

        It raises NotJson (the page may then be given again), SourceMalformed, and ProcessEnded.
        """
        channel = self._take_channel()
        if channel is None:
            yield partial(self._flatten_here, RecordFlattener(import_id, self._privacy))
            return
        try:
            yield _Import(channel, Begin(import_id, self._privacy)).flatten
        finally:
            self._give_back(channel)

    def give_up(self) -> None:
        """From now on all is flattened here: the other process has ended, and would perhaps end again."""
        with self._lock:
            if not self._is_given_up and not self._is_closed:
                log.warning("the process that flattens records has ended before its time: this one does its work")
            self._is_given_up = True

    def _flatten_here(self, flattener: RecordFlattener, body: bytes) -> FlatPage:
        if self._is_closed:
            raise Interrupted(_TOO_LATE)
        page = flatten(flattener, body)
        self._alone += max(len(page.rows) - RECORDS_PER_QUESTION, 0)
        return page

    def _take_channel(self) -> Channel | None:
        """A channel, if the other process is ready; it is started when it has become worth it."""
        with self._lock:
            if self._is_closed:
                raise Interrupted(_TOO_LATE)
            if self._process is None and self._alone >= ALONE_RECORDS and not self._is_given_up:
                self._start()
            return self._idle.pop() if self._idle and self._is_ready() and not self._is_given_up else None

    def _give_back(self, channel: Channel) -> None:
        """A channel on which an answer may still be under way would give it to the next import."""
        with self._lock:
            if channel.is_idle and not self._is_closed:
                self._idle.append(channel)
            else:
                channel.close()

    def _is_ready(self) -> bool:
        """True once the other process has said so, or has ended: until then there is time to flatten here."""
        return bool(self._output.poll(0))

    def _start(self) -> None:
        try:
            with ExitStack() as theirs:
                numbers = []
                for _ in range(self._number):
                    ours, end = socket.socketpair()
                    self._idle.append(Channel(ours))
                    numbers.append(theirs.enter_context(end).fileno())
                self._process = subprocess.Popen(  # noqa: S603 - ourselves
                    [sys.executable, "-I", "-c", _PROGRAM, json.dumps([*map(str, sys.path)]), *map(str, numbers)],
                    pass_fds=numbers,
                    env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                if self._process.stdout:
                    self._output.register(self._process.stdout, select.POLLIN)
        except (OSError, MemoryError):  # no process, no memory, no file descriptor left: slower, and that is all
            self._is_given_up = True


class _Import:
    """The pages of one import on their way to the other process."""

    def __init__(self, channel: Channel, begin: Begin) -> None:
        self._channel = channel
        self._begin: Begin | None = begin

    def flatten(self, body: bytes) -> FlatPage:
        try:
            page, error, text = self._channel.ask(Question(body, self._begin))
        except (OSError, EOFError):
            raise ProcessEnded from None
        self._begin = None
        if page is None:
            raise ERRORS[error](text) if error in ERRORS else EtlError(f"unexpected {error} while flattening records")
        return page
