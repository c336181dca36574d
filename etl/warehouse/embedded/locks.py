"""Locks that the death of their holder frees, and files that only their owner can read."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from etl.errors import DatabaseError

PATIENCE_SECONDS = 150.0  # longer than any start that somebody else may be at
POLL_SECONDS = 0.02


def open_private(path: Path, flags: int = 0) -> BinaryIO:
    """Open the file, made if need be, to be read and written by its owner alone; never what a link leads to."""
    file = os.fdopen(_open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | flags), "r+b", buffering=0)
    found = os.fstat(file.fileno())
    if _is_lone_file(found) and os.geteuid() in {0, found.st_uid}:  # root may use the home of somebody else
        return file
    file.close()
    raise _planted(path)


def read_owned(folder: Path, name: str, *, owner: int) -> str | None:
    """Return the first 4 KiB of a file in the folder of the server's account; None if there is no such file.

    Neither folder nor file is read through a link: root would show that account what only root may see.
    """
    with opened_folder(folder, owner=owner) as inside:
        if inside is None:
            return None
        try:
            descriptor = _open(Path(name), os.O_RDONLY | os.O_NONBLOCK, inside=inside)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not _is_lone_file(found) or found.st_uid not in {0, owner}:
                raise _planted(folder / name)
            return file.read(4096).decode(errors="replace")


def unlink_owned(folder: Path, *names: str, owner: int) -> None:
    """Remove what has these names in the folder of the server's account; what a link leads to stays."""
    with opened_folder(folder, owner=owner) as inside:
        for name in names if inside is not None else ():
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=inside)


@contextmanager
def opened_folder(folder: Path, *, owner: int) -> Iterator[int | None]:
    """Inside, a descriptor of the account's folder, which is no link; None if there is no such folder."""
    try:
        descriptor = _open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield None
        return
    try:
        if os.fstat(descriptor).st_uid not in {0, owner}:
            raise _planted(folder)
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int, *, inside: int | None = None) -> int:
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=inside)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR}:
            raise _planted(path) from None
        raise


def _is_lone_file(found: os.stat_result) -> bool:
    """Tell a plain file from a pipe, and from a file that has another name elsewhere."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink <= 1


def _planted(path: Path) -> DatabaseError:
    return DatabaseError(f"{path} is a link, or not a file of this program's own: remove it, then try again")


def try_lock(lock: BinaryIO) -> bool:
    """Tell whether the lock is ours now, until the file is closed by us and all who inherited it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def await_lock(lock: BinaryIO, seconds: float) -> bool:
    """Tell whether the lock became ours in time."""
    end = time.monotonic() + seconds
    while not try_lock(lock):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def locked(path: Path, *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold this lock inside, alone."""
    with open_private(path) as lock:
        if not await_lock(lock, patience):
            raise DatabaseError(f"another process has held {path} for {patience:.0f} s: end it, then try again")
        yield


@contextmanager
def shared(lock: BinaryIO) -> Iterator[None]:
    """Share this lock inside with others who share it."""
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
