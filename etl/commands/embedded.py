"""The embedded database for other programs: its address, a file of it, and its end."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl.commands.streams import ReaderLeft
from etl.errors import NotWritten, UsageError
from etl.warehouse import embedded
from etl.warehouse.embedded.copies import dump, restore
from etl.warehouse.embedded.keeper import keep_for_clients
from etl.warehouse.migrating import migrate

STREAM = "-"


def serve_url(home: Path) -> dict[str, Any]:
    """Return the URL, which holds until no client has been there for a minute."""
    with embedded.running(home) as url:
        migrate(url)
        keep_for_clients(home)
    return {"url": url, "home": str(home)}


def dump_to(home: Path, file: str, *, as_json: bool) -> dict[str, Any] | None:
    """Return what was written where; None if it went to stdout, which then is the answer."""
    if file == STREAM and (as_json or sys.stdout.isatty()):
        raise UsageError("a dump is no text: name a file, or lead stdout into one, without --json")
    with embedded.running(home) as url:
        migrate(url)
        if file == STREAM:
            try:
                dump(home, url, None)
            except BrokenPipeError:
                raise ReaderLeft from None
            return None
        return {"path": file, "bytes": _written(Path(file), lambda out: dump(home, url, out))}


def _written(path: Path, write: Callable[[Path], None]) -> int:
    """Return the size of the file, which is there as a whole or not at all, for its owner's eyes.

    A link stays one, and what is no file (a pipe, a device) is written to, not replaced.
    """
    if path.exists() and not path.is_file():
        write(path)
        return 0
    path = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                write(Path(file.name).absolute())
                os.fsync(file.fileno())
                Path(file.name).rename(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return path.stat().st_size
    except OSError as error:
        raise NotWritten(f"the dump could not be written to {path}: {error.strerror}") from None


def restore_from(home: Path, file: str) -> dict[str, Any]:
    """Return what was restored where; the schema is at head then."""
    try:
        # Read twice: looked at before anything is done.
        with tempfile.TemporaryFile() if file == STREAM else Path(file).open("rb") as source:
            if file == STREAM:
                shutil.copyfileobj(sys.stdin.buffer, source)
            with embedded.running(home) as url:
                migrate(url)
                try:
                    restore(home, url, source)
                finally:
                    migrate(url)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    return {"path": file, "home": str(home)}


def stop_server(home: Path) -> dict[str, Any]:
    """Stop the server in the home, whoever was connected."""
    embedded.stop(home)
    return {"home": str(home)}
