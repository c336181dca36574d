"""Locks that the death of their holder frees, and files that only their owner can read."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from etl.errors import DatabaseError

PATIENCE_SECONDS = 150.0  # longer than any start that somebody else may be at
POLL_SECONDS = 0.02


def open_private(path: Path, flags: int = 0) -> BinaryIO:
    """The file, made if need be, to be read and written by its owner alone; never what a link points to."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    return os.fdopen(descriptor, "r+b", buffering=0)


def try_lock(lock: BinaryIO) -> bool:
    """True if the lock is ours now, until the file is closed by us and all who inherited it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def await_lock(lock: BinaryIO, seconds: float) -> bool:
    """True if the lock became ours in time."""
    end = time.monotonic() + seconds
    while not try_lock(lock):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


@contextmanager
def locked(path: Path, *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Inside, nobody else holds this lock."""
    with open_private(path) as lock:
        if not await_lock(lock, patience):
            raise DatabaseError(f"another process has held {path} for {patience:.0f} s: end it, then try again")
        yield


@contextmanager
def shared(lock: BinaryIO) -> Iterator[None]:
    """Inside, the lock is ours and that of others who share it."""
    fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
