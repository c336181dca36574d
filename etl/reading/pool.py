"""The worker process, which makes rows of an account's records beside us once there are many: bodies in, rows out.

One Python process computes on one processor only. An import is one call: its bodies go to the worker, its rows come
back, pickled over the worker's stdin and stdout, and nothing of it stays there; one that is very large goes in parts.
Calls are answered in their order, and the next is sent while the worker computes: it never waits for us.
Starting the worker costs more than a small account's whole work, so that one is done here.

The worker is told no secret but the key of hashed cells, imports neither the network's nor the database's libraries,
and ends with us however we end. Where it dies, what it had is made here; where it is late, the import that it has
fails, and another worker goes on with the others.
"""

import fcntl
import gc
import json
import logging
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple, NoReturn, Self, cast

from etl.errors import EtlError, Interrupted, SourceMalformed
from etl.extract import hal
from etl.extract.endpoints import RECORDS
from etl.packing import Packed, pack_error, pack_record
from etl.rows import Rejected
from etl.transform.records import RecordFlattener

log = logging.getLogger(__name__)

ALONE_RECORDS = 10_000
"""So many records are flattened here in about the time that the worker takes to start."""
FEW_BYTES = 4_000
"""So many are flattened in less time than it takes to send them there and back."""
PIPE_BYTES = 1 << 20
PART_BYTES = 4_000_000
"""Some ten thousand records; nearly all imports are smaller."""
DEADLINE_SECONDS, SECONDS_PER_MEGABYTE = 20.0, 5.0
"""A megabyte takes some 20 ms."""
MAX_LATE = 3
"""So many workers may be late; after that it is not the imports that are odd, and waiting helps nobody."""

# It imports what we would: by -I no variable and no file of the working directory has a say in it.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from etl.reading.pool import serve; serve()"
_PASSED_ON = ("LD_LIBRARY_PATH", "PATH")  # what an interpreter may need; the settings hold secrets
_LENGTH = struct.Struct("!Q")
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)


class Flat(NamedTuple):
    """The rows of an import, or of a part of it; `seconds` of processor time made them.

    `met` are the columns named by the privacy settings that were in any record so far; None if none had a cell.
    `columns` are the names of all cells so far, in their order; None if no header can be told of them.
    `following` makes the rows of the next part, if there is more.
    """

    rows: list[Packed]
    errors: list[Packed]
    rejected: list[Rejected]
    seconds: float = 0.0
    met: frozenset[str] | None = None
    columns: tuple[str, ...] | None = None
    following: RecordFlattener | None = None


class Call(NamedTuple):
    """What is asked of the worker."""

    flattener: RecordFlattener
    bodies: Sequence[bytes]
    more: bool


def flatten(call: Call) -> Flat:
    """Flatten the bodies into rows; raises NotJson, or SourceMalformed where one holds no list."""
    started = time.thread_time()
    flat = Flat([], [], [])
    for body in call.bodies:
        for found in call.flattener.rows(hal.read_items(body, prefer=RECORDS.wrappers)):
            if isinstance(found, Rejected):
                flat.rejected.append(found)
            else:
                flat.rows.append(pack_record(found[0]))
                flat.errors.extend(map(pack_error, found[1]))
    return flat._replace(
        seconds=time.thread_time() - started,
        met=call.flattener.met,
        columns=call.flattener.columns,
        following=call.flattener if call.more else None,
    )


class Pool:
    """Makes rows of bodies, in the worker once there is one; after its end as a context manager there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._alone = self._late = 0
        self._is_given_up = self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker process; it holds nothing that would be lost."""
        self._is_closed = True
        if self._worker is not None:
            self._worker.end()

    def start_if_due(self) -> None:
        """Start a worker process if it has become worth it.

        To be called by the thread that lives as long as the pool does: the worker ends with the one that started it.
        """
        if self._worker is None and self._alone >= ALONE_RECORDS and self._late < MAX_LATE and not self._is_given_up:
            try:
                self._worker = _Worker()
            except (OSError, MemoryError):  # no process, no memory, no file descriptor left: slower, and that is all
                self._is_given_up = True

    def flatten(self, flattener: RecordFlattener, bodies: Sequence[bytes], *, more: bool = False) -> Flat:
        """Flatten an import's bodies into rows; where `more` of them follow, they begin with what comes back."""
        call, size = Call(flattener, bodies, more), sum(map(len, bodies))
        worker = self._worker
        if worker is None or size < FEW_BYTES or self._is_closed or not worker.is_ready():
            return self._flatten_here(call, size)
        return self._ask(worker, call, seconds=DEADLINE_SECONDS + SECONDS_PER_MEGABYTE * size / 1e6)

    def _flatten_here(self, call: Call, size: int) -> Flat:
        if self._is_closed:
            raise Interrupted("nobody waits for these records any more")
        if self._late >= MAX_LATE:
            raise SourceMalformed(f"its records were not flattened: {self._late} imports before it took too long")
        flat = flatten(call)
        self._alone += len(flat.rows) if size >= FEW_BYTES else 0
        return flat

    def _ask(self, worker: "_Worker", call: Call, *, seconds: float) -> Flat:
        """Ask the worker; if it is late or dead, it is nobody's worker any more."""
        try:
            return worker.ask(call, seconds)
        except _LateError:
            self._lose(worker)
            self._late += 1
            raise SourceMalformed(f"its records were not flattened within {seconds:.0f} s") from None
        except (OSError, EOFError, pickle.UnpicklingError):
            if self._lose(worker) and not worker.is_late:
                self._is_given_up = True
                if not self._is_closed:
                    log.warning("the process that flattens records has ended before its time: this one does its work")
        return self._flatten_here(call, size=0)

    def _lose(self, worker: "_Worker") -> bool:
        """End the worker; True for the first who says so."""
        with self._lock:
            is_ours = worker is self._worker
            if is_ours:
                self._worker = None
                worker.end()
        return is_ours


class Bodies:
    """Gathers the bodies of an import, and makes rows of them in as few calls as their size allows."""

    def __init__(self, pool: Pool, flattener: RecordFlattener) -> None:
        self._pool, self._flattener = pool, flattener
        self._bodies: list[bytes] = []
        self._size = 0
        self._flat = Flat([], [], [])

    def add(self, body: bytes) -> None:
        """Add the body; it is kept, or among the rows."""
        self._bodies.append(body)
        self._size += len(body)
        if self._size >= PART_BYTES:
            self._flatten(more=True)

    def flatten(self) -> Flat:
        """Flatten all bodies into rows."""
        self._flatten(more=False)
        return self._flat

    def _flatten(self, *, more: bool) -> None:
        flat = self._pool.flatten(self._flattener, self._bodies, more=more)
        self._flat.rows.extend(flat.rows)
        self._flat.errors.extend(flat.errors)
        self._flat.rejected.extend(flat.rejected)
        self._flat = self._flat._replace(seconds=self._flat.seconds + flat.seconds, met=flat.met, columns=flat.columns)
        self._flattener, self._bodies, self._size = flat.following or self._flattener, [], 0


class _LateError(Exception):
    """The worker's deadline has passed."""


class _Worker:
    """A worker process, seen from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps([*map(str, sys.path)])],
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._questions = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        for pipe in (self._questions, self._answers):
            _widen(pipe)
        self._greeting = select.poll()
        self._greeting.register(self._answers, select.POLLIN)
        self._sending = threading.Lock()
        self._last = threading.Event()
        self._last.set()
        self._has_greeted = self.is_late = False

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def is_ready(self) -> bool:
        """Tell whether it has said so, or has ended: until then there is time to flatten here."""
        with self._sending:
            if not self._has_greeted and self._greeting.poll(0):
                self._has_greeted = True
                with suppress(OSError, EOFError):
                    _receive(self._answers)
        return self._has_greeted

    def ask(self, call: Call, seconds: float) -> Flat:
        """Ask for rows, or for what it raises; raises _LateError, and OSError and the like where it has ended.

        `seconds` are those that it may compute, once its answers to all who asked before have come.
        """
        question, answered = _pickled(call), threading.Event()
        try:
            with self._sending:
                before, self._last = self._last, answered
                _send(self._questions, question)
            before.wait()
            found = self._await(seconds)
        except ValueError:  # its pipes are closed: somebody else noticed that it has ended
            raise EOFError from None
        finally:
            answered.set()
        answer: Flat | EtlError = pickle.loads(found)  # noqa: S301 - it is ourselves
        if isinstance(answer, EtlError):
            raise answer
        return answer

    def _await(self, seconds: float) -> bytes:
        deadline = threading.Timer(seconds, self._kill_late)
        deadline.daemon = True
        was_late = self.is_late
        deadline.start()
        try:
            return _receive(self._answers)
        except (OSError, EOFError):
            if self.is_late and not was_late:
                raise _LateError from None
            raise
        finally:
            deadline.cancel()

    def _kill_late(self) -> None:
        self.is_late = True
        self._process.kill()

    def end(self) -> None:
        """Kill the worker process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._questions, self._answers):
            with suppress(OSError):  # what was still to be sent is of no use to anybody
                stream.close()


def serve() -> NoReturn:
    """Be the worker: answer call after call, until whoever started it is gone."""
    # Who started us says when to end, whatever the terminal or the service manager sends to all of us.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(100_000, 50, 1000)  # as in etl.cli
    threading.Thread(target=_end_with_user, daemon=True).start()
    _die_with_user()
    try:
        _send(sys.stdout.buffer, b"ready")
        while True:
            call = pickle.loads(_receive(sys.stdin.buffer))  # noqa: S301 - it is ourselves
            _send(sys.stdout.buffer, _pickled(_answer(call)))
    finally:  # our user is gone, no memory is left, or anything else: who waits for an answer has to notice
        os._exit(1)


def _answer(call: Call) -> Flat | EtlError:
    try:
        return flatten(call)
    except EtlError as error:
        return error
    except Exception as error:  # noqa: BLE001 - raised again on the other side; a traceback might show somebody's data
        return EtlError(f"unexpected {type(error).__name__} while flattening records")


def _pickled(message: Call | Flat | EtlError) -> bytes:
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise EOFError
    return found


def _widen(pipe: IO[bytes]) -> None:
    """Let most messages through at once, where the system can: each piece would wait for this process's threads."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _end_with_user() -> NoReturn:
    """Wait until nobody can ask any more, also while the main thread computes."""
    user = select.poll()
    user.register(sys.stdin, 0)
    user.poll()
    os._exit(1)


def _die_with_user() -> None:
    """Ask the kernel to kill us when our user dies, also where no thread of ours gets to run any more."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only the worker needs it

        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
