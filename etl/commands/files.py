"""Files that commands write: whole and in their place, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from etl.errors import UsageError, one_line


@contextmanager
def replacing(name: str, *, mode: int | None = None) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of the one of that name once all is written; an older one is left till then.

    Without a `mode` it has that of the older one, or the usual. What is no ordinary file (a pipe, a device) is written
    as it is. A place that cannot be written is wrong use.
    """
    place = Path(name).expanduser()
    try:
        place = place.resolve()
        if place.exists() and not place.is_file():
            with place.open("wb") as file:
                yield file
            return
        with _beside(place, mode) as file:
            yield file
    except OSError as error:
        raise UsageError(f"{one_line(name)} cannot be written: {error.strerror or error}") from None


@contextmanager
def _beside(place: Path, mode: int | None) -> Iterator[IO[bytes]]:
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name[:100]}.", delete=False) as file:
        beside = Path(file.name)
        try:
            yield file
            file.flush()
            usual = place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~_umask()
            beside.chmod(usual if mode is None else mode)
            beside.replace(place)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise


def _umask() -> int:
    """Return the process's mask, which can only be asked for by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
