"""stdin, stdout and stderr as commands have them: there even if the shell closed them, and quiet at the end.

An answer that cannot be written says so once, by an exception: `ReaderLeft`, or `NotWritten`. Talk that cannot be
written is nobody's loss, and changes nothing.
"""

import io
import os
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from etl.commands.signals import STOPPING
from etl.errors import NotWritten

LOOK_MILLISECONDS = 100
STDERR = 2


class ReaderLeft(Exception):
    """Nobody reads the answer any more: whoever asked has what they wanted."""


def open_streams() -> None:
    """Open all three streams; they behave as this module says."""
    for number in range(3):
        _hold(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = _text(_Writer(1, _fail), sys.stdout)
    sys.stderr = _text(_Writer(STDERR, lambda _: None), sys.stderr)


def _hold(number: int) -> None:
    """Hold the stream's number, so that no file or connection of ours, or of a process we start, is taken for it.

    An answer that goes to a closed one is lost, as before; talk is nobody's loss.
    """
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR if number == STDERR else os.O_RDONLY)
        os.dup2(null, number)
        os.set_inheritable(number, True)  # noqa: FBT003 - its only argument
        if null != number:
            os.close(null)


class _Writer(io.FileIO):
    """A stream whose first failure goes to `fail`; from then on it takes everything and writes nothing."""

    def __init__(self, number: int, fail: Callable[[OSError], None]) -> None:
        super().__init__(number, "w", closefd=False)
        self.fail = fail
        self.has_begun = self.is_void = False

    def write(self, data: Any) -> int:
        """Return how much was taken."""
        if not self.is_void:
            self.has_begun = True
            try:
                return self._written(data)
            except OSError as error:
                self.is_void = True  # what is still buffered must not fail again when Python ends
                self.fail(error)
        return memoryview(data).nbytes

    def _written(self, data: Any) -> int:
        """Wait for the pipe, if who called us left one that does not block."""
        while (taken := super().write(data)) is None:
            select.select([], [self], [])
        return taken


def _fail(error: OSError) -> None:
    if isinstance(error, ConnectionError | BrokenPipeError):
        raise ReaderLeft from None
    raise NotWritten(f"the answer could not be written: {error.strerror}") from None


def _text(writer: _Writer, before: Any) -> io.TextIOWrapper:
    """Wrap it as text, in the encoding that Python chose; what that lacks is written with backslashes."""
    errors = getattr(before, "errors", "strict")
    return io.TextIOWrapper(
        io.BufferedWriter(writer),
        encoding=getattr(before, "encoding", "utf-8"),
        errors="backslashreplace" if errors == "strict" else errors,
        line_buffering=writer.fileno() == STDERR or writer.isatty(),
    )


def has_begun() -> bool:
    """Tell whether some of the answer may have been written."""
    writer = _writer()
    return writer is not None and writer.has_begun


def drop_answer() -> None:
    """Drop what waits to be written: whoever interrupts does not wait for a reader that is busy elsewhere."""
    if writer := _writer():
        writer.is_void, before = True, writer.is_void
        with suppress(RuntimeError):  # a signal may come while it is being written
            sys.stdout.flush()
        writer.is_void = before


def _writer() -> _Writer | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Writer) else None


@contextmanager
def while_read(cancel: Callable[[], object]) -> Iterator[None]:
    """Call `cancel`, again and again, once nobody wants the answer; a reader that left is `ReaderLeft`.

    A statement that takes its time before the next row would not notice: it writes nothing.
    """
    watch = _Watch(cancel)
    try:
        with watch:
            yield
    except Exception:
        if watch.left.is_set():
            raise ReaderLeft from None
        raise


class _Watch:
    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel
        self.left, self.over, self.calling = threading.Event(), threading.Event(), threading.Lock()

    def __enter__(self) -> None:
        threading.Thread(target=self._look, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        with self.calling:
            self.over.set()

    def _look(self) -> None:
        kind = os.fstat(1).st_mode
        poll = select.poll()
        if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
            poll.register(1, 0)  # that nobody is at the other end is said without being asked for
        while not self.over.is_set():
            if poll.poll(0 if self.left.is_set() else LOOK_MILLISECONDS):
                self.left.set()
            if self.left.is_set() or STOPPING.is_set():
                with self.calling, suppress(Exception):
                    self.over.is_set() or self.cancel()
                self.over.wait(LOOK_MILLISECONDS / 1000)
