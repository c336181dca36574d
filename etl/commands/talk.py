"""The talk on stderr: lines at a terminal, lines with time and run in a file, JSON objects for a collector."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import click

from etl.errors import one_line

log = logging.getLogger("etl")


class _Said(logging.Formatter):
    """One line of text for each record; ids come from the source, and may hold what steers a terminal."""

    run_id = ""
    has_time = False

    def format(self, record: logging.LogRecord) -> str:
        run = f"run={self.run_id}" if self.run_id and self.has_time else ""
        words = (_time(record) if self.has_time else "", record.levelname, run, record.getMessage())
        return one_line(" ".join(filter(None, words)))


class _Collected(_Said):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        run = {"run_id": self.run_id} if self.run_id else {}
        message = one_line(record.getMessage())
        return json.dumps({"time": _time(record), "level": record.levelname.lower(), **run, "message": message})


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is just now: a progress bar takes it over, to stay below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_formatter = _Said()


def begin(*, quiet: bool, verbose: bool, form: str) -> None:
    """Say from now on what was asked for; at a terminal the answer follows soon, and needs no announcement."""
    global _formatter  # noqa: PLW0603 - a process has one stderr
    is_terminal = sys.stderr.isatty()
    _formatter = _Collected() if form == "json" else _Said()
    _formatter.has_time = not is_terminal
    handler = _Stderr()
    handler.setFormatter(_formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    is_brief = quiet or (is_terminal and not verbose)
    log.setLevel(logging.WARNING if is_brief else logging.DEBUG if verbose else logging.INFO)


def name_run(run_id: str) -> None:
    """Name the run in every line from now on."""
    _formatter.run_id = run_id


def complain_of_use(error: click.ClickException) -> None:
    """Say what was wrong with the words that were typed; nothing had begun."""
    from etl.config import log_format  # noqa: PLC0415 - only who mistypes pays for it

    if log_format() == "json":
        begin(quiet=False, verbose=False, form="json")
        complain(error.format_message())
    else:
        error.show()


def complain(message: str) -> None:
    """Say why the command ended; whoever collects objects gets one."""
    if isinstance(_formatter, _Collected):
        log.error("%s", message)
    else:
        click.echo(f"talkdesk-etl: {message}", err=True)
