"""What a verification found, for people and machines, and the exit code that follows from it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from etl.errors import DONE, FOUND, PARTLY_DONE, EtlError, Failure
from etl.warehouse.counts import RESOURCES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Kind = Literal["missing", "extra", "different", "moved"]

UNBOUNDED = 1_000_000
WORDS: dict[Kind, str] = {
    "missing": "missing: the source has it, the warehouse lost it",
    "extra": "extra: the warehouse has it, the source never said so",
    "different": "different: changed in the warehouse, not by a sync",
    "moved": "moved: the source changed since the last sync; the next one brings it over",
}
STYLES: dict[Kind, str] = {"missing": "red", "extra": "red", "different": "red", "moved": "yellow"}
# Keys are the source's text, and a terminal obeys control characters.
_CONTROL = dict.fromkeys([*range(32), *range(127, 160)], "\ufffd")


class Rows(NamedTuple):
    """How many records an import has on either side."""

    source: int
    warehouse: int


class Difference(NamedTuple):
    """One thing on which source and warehouse disagree; no value of either side is in it.

    `key` is an import id or a field key; `path` an entry's keys from the root, or what names a record in its import;
    `column` is None if the whole row is meant, `valid_from` if the row's current version is missing.
    """

    account: str
    resource: str
    key: str
    path: list[str] | None
    column: str | None
    kind: Kind
    rows: Rows | None = None

    def to_json(self) -> dict[str, Any]:
        """One of the `differences` that `verify --json` prints."""
        return self._asdict() | {"rows": self.rows and self.rows._asdict()}


@dataclass
class Verification:
    """What the comparison of source and warehouse came to; `compared` counts rows by account and resource."""

    differences: list[Difference] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    compared: dict[str, Counter[str]] = field(default_factory=dict)

    def fail(self, account: str, error: EtlError, *, resource: str, import_id: str | None = None) -> None:
        """Afterwards the error is among the failures."""
        self.failures.append(Failure(account, resource, import_id, error.exit_code, str(error)))

    @property
    def level(self) -> bool:
        """True if everything was compared and nothing differs."""
        return not self.differences and not self.failures

    @property
    def exit_code(self) -> int:
        """A difference is what was looked for, so it counts more than a source that could not be read everywhere."""
        if self.differences:
            return FOUND
        if not self.failures:
            return DONE
        compared_anything = any(counts.total() for counts in self.compared.values())
        return PARTLY_DONE if compared_anything else self.failures[0].exit_code

    def to_json(self) -> dict[str, Any]:
        """The object that `verify --json` prints."""
        return {
            "level": self.level,
            "differences": [difference.to_json() for difference in self.differences],
            "compared": {
                account: {resource: counts[resource] for resource in RESOURCES}
                for account, counts in self.compared.items()
            },
            "errors": [failure.to_json() for failure in self.failures],
        }

    def print(self) -> None:
        """Print every difference on stdout, for people."""
        from rich.console import Console  # noqa: PLC0415 - takes a while, and machines do not need it

        self.render(Console(highlight=False))

    def render(self, console: "Console") -> None:
        """Print a table of differences, what failed, and what it all means; nothing is cut off when nobody looks."""
        if not console.is_terminal:
            console.width = UNBOUNDED
        if self.differences:
            console.print(_table(self.differences))
        for line in self._lines():
            console.print(line.translate(_CONTROL), markup=False, soft_wrap=True)

    def _lines(self) -> Iterator[str]:
        for failure in self.failures:
            where = " ".join(filter(None, (failure.account, failure.resource, failure.import_id)))
            yield f"not compared: {where}: {failure.message}"
        kinds = Counter(difference.kind for difference in self.differences)
        for kind, words in WORDS.items():
            if kinds[kind]:
                yield f"{kinds[kind]:,} {words}"
        if kinds.keys() - {"moved"}:
            yield "to repair: talkdesk-etl sync --full"
        for account, counts in self.compared.items():
            yield f"{account}: compared {', '.join(f'{counts[resource]:,} {resource}' for resource in RESOURCES)}"
        yield self._verdict()

    def _verdict(self) -> str:
        if self.differences:
            return "source and warehouse are not level"
        unsure = "whether source and warehouse are level is not known: not everything could be compared"
        return unsure if self.failures else "source and warehouse are level"


def _table(differences: list[Difference]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - see Verification.print
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False)
    for name in ("account", "resource", "key", "path", "column", "kind"):
        grid.add_column(name, overflow="fold")
    for found in differences:
        column = f"rows: {found.rows.source:,}, here {found.rows.warehouse:,}" if found.rows else found.column or ""
        cells = (found.account, found.resource, found.key, " > ".join(found.path or ()), column, found.kind)
        grid.add_row(*(Text(cell.translate(_CONTROL)) for cell in cells), style=STYLES[found.kind])
    return grid
