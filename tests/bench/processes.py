"""What a command costs: time, processor and memory of all its processes, and the database server's part of it."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

_SAMPLE_SECONDS = 0.05
_PROC = Path("/proc")
_MEBIBYTE = 2**20
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Cost(NamedTuple):
    """What a command cost, and what it said on stdout; the peak is that of all its processes together."""

    seconds: float
    cpu_seconds: float
    peak_mebibytes: float
    exit_code: int
    said: str
    complained: str


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, *, limit: float) -> Cost:
    """Run the command to its end, or to the limit (seconds); nothing of our own environment but PATH is passed on."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        with _Sampler(process.pid) as sampler, _ended_after(process.pid, limit):
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        return Cost(
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mebibytes=max(usage.ru_maxrss * _MAXRSS_UNIT, sampler.peak) / _MEBIBYTE,
            exit_code=process.returncode,
            said=_text(out),
            complained=_text(err),
        )


def in_own_process(function: Any, *arguments: Any) -> Any:
    """The function's result; neither its memory nor what it imports is left in this process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def cpu_seconds_of_server(pid: int) -> float | None:
    """CPU seconds of the PostgreSQL server one of whose backends has this pid, so far; None if nobody tells."""
    backend = _stat(pid)
    if not backend:
        return None
    server = int(backend[1])
    members = [found for found in map(_stat, _pids()) if found and int(found[1]) == server]
    ticks = sum(int(number) for found in (_stat(server), *members) for number in found[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float | None:
    """CPU seconds of everybody on this machine so far; None if nobody tells."""
    fields = _read(_PROC / "stat").partition("\n")[0].split()[1:]
    user, nice, system, _, _, interrupts, soft_interrupts = map(int, fields[:7]) if fields else (0,) * 7
    return (user + nice + system + interrupts + soft_interrupts) / os.sysconf("SC_CLK_TCK") or None


def ended_children_seconds() -> float:
    """CPU seconds of all processes that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Sampler:
    """Samples the memory of a process and its descendants, where /proc tells."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(_resident_bytes(pid) for pid in _tree(self._pid)))


@contextmanager
def _ended_after(pid: int, seconds: float) -> Iterator[None]:
    """Inside, the process group is killed when the time is over."""
    timer = threading.Timer(seconds, os.killpg, (pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tree(pid: int) -> Iterable[int]:
    yield pid
    for path in _PROC.glob(f"{pid}/task/*/children"):
        for child in _read(path).split():
            yield from _tree(int(child))


def _resident_bytes(pid: int) -> int:
    pages = _read(_PROC / str(pid) / "statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else 0


def _pids() -> list[int]:
    return [int(path.name) for path in _PROC.glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name, which may hold anything."""
    return _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
