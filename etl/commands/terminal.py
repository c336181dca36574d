"""What commands print: one JSON object for machines, and texts that a terminal shows and does not obey."""

import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

import click

from etl.commands.streams import ReaderLeft
from etl.commands.talk import complain
from etl.errors import NotWritten
from etl.inert import shown as shown  # noqa: PLC0414 - commands find it here

if TYPE_CHECKING:
    from rich.console import Console

UNBOUNDED = 1_000_000
"""Columns of an answer at which nobody looks: nothing in it is cut off."""

CHOICES: dict[str, dict[str, Any]] = {
    "auto": {},
    "always": {"no_color": False, "color_system": "standard"},
    "never": {"no_color": True, "color_system": None},
}
_COLORS: dict[str, Any] = {}


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    import msgspec  # noqa: PLC0415 - `--help` stays quick

    click.echo(msgspec.json.encode(value).decode())


def told(code: int, say: Callable[[], object]) -> int:
    """Return the exit code that was found out, wherever its words go."""
    try:
        say()
        sys.stdout.flush()
    except ReaderLeft:
        pass
    except NotWritten as error:
        complain(str(error))
    return code


def use_color(when: str) -> None:
    """Use colours in answers always, never, or at a terminal that has some and no `NO_COLOR`."""
    _COLORS.clear()
    _COLORS.update(CHOICES[when])


def columns() -> int:
    """Return how many columns stdout has."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNBOUNDED


def console(out: TextIO | None = None, *, width: int | None = UNBOUNDED) -> "Console":
    """Return a console on stdout or `out`, which has colours and a width of its own only if that is a terminal.

    Whatever `FORCE_COLOR` and its kind say: they are about programs that write for people alone.
    """
    from rich.console import Console  # noqa: PLC0415 - takes a while, and machines do not need it

    out = out or sys.stdout
    options: dict[str, Any] = {"file": out, "force_terminal": True, "highlight": False, **_COLORS}
    if not out.isatty():
        options |= {"force_terminal": bool(_COLORS.get("color_system")), "force_interactive": False, "width": width}
    return Console(**options)
