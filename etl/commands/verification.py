"""What a verification found, printed for people."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from etl.commands import terminal
from etl.commands.terminal import UNBOUNDED, shown
from etl.errors import failure_lines
from etl.verify.verification import Difference, Kind, Verification
from etl.warehouse.counts import RESOURCES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WORDS: dict[Kind, str] = {
    "missing": "missing: the source has it, the warehouse lost it",
    "extra": "extra: the warehouse has it, the source never said so",
    "different": "different: changed in the warehouse, not by a sync",
    "moved": "moved: the source changed since the last sync; the next one brings it over",
}
DAMAGED, MOVED = "red", ""  # readable on white and on black; the kind stands in words, too


def print_verification(found: Verification, *, quiet: bool = False) -> None:
    """Print every difference on stdout; quietly, nothing where there is none."""
    if not quiet or not found.level:
        render(found, terminal.console())


def render(found: Verification, console: "Console") -> None:
    """Print a table of differences, what failed, and what it all means; nothing is cut off when nobody looks."""
    if not console.is_terminal:
        console.width = UNBOUNDED
    if found.differences:
        _render_differences(found.differences, console)
    for line in _lines(found):
        console.print(shown(line), markup=False, soft_wrap=True)


def _lines(found: Verification) -> Iterator[str]:
    for line in failure_lines(found.failures):
        yield f"not compared: {line}"
    kinds = Counter(difference.kind for difference in found.differences)
    for kind, words in WORDS.items():
        if kinds[kind]:
            yield f"{kinds[kind]:,} {words}"
    if kinds.keys() - {"moved"}:
        yield "to repair: talkdesk-etl sync --full"
    for account, counts in found.compared.items():
        compared = (f"{counts[resource]:,} {resource}" for resource in RESOURCES if resource in counts)
        yield f"{account}: compared {', '.join(compared)}"
    where = f"warehouse {found.warehouse}: " if found.warehouse else ""
    yield f"{where}{verdict(found)}"


def verdict(found: Verification) -> str:
    """Say in one line whether source and warehouse are level, if that is known."""
    if found.differences:
        return "source and warehouse are not level"
    unsure = "whether source and warehouse are level is not known: not everything could be compared"
    return unsure if found.failures else "source and warehouse are level"


def _render_differences(differences: list[Difference], console: "Console") -> None:
    """Print a table where there is room for one, else a line for each, which the terminal folds."""
    from rich.text import Text  # noqa: PLC0415 - takes a while, and machines do not need it

    table = _table(differences)
    if console.measure(table, options=console.options.update_width(UNBOUNDED)).maximum <= console.width:
        console.print(table)
        return
    for found in differences:
        kind, *where = _cells(found)
        words = [kind, *filter(None, where)]
        console.print(Text(shown("  ".join(words)), style=_style(found)), soft_wrap=True)


def _table(differences: list[Difference]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - takes a while, and machines do not need it
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False)
    for name in ("kind", "account", "resource", "key", "path", "column"):
        grid.add_column(name, overflow="fold")
    for found in differences:
        grid.add_row(*(Text(shown(cell)) for cell in _cells(found)), style=_style(found))
    return grid


def _cells(found: Difference) -> tuple[str, ...]:
    column = f"rows: {found.rows.source:,}, here {found.rows.warehouse:,}" if found.rows else found.column or ""
    return found.kind, found.account, found.resource, found.key, " > ".join(found.path or ()), column


def _style(found: Difference) -> str:
    return MOVED if found.kind == "moved" else DAMAGED
