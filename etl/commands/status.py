"""What the warehouse says about itself: how old each copy is, what may be missing, and how long until loss."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, column, select, table
from sqlalchemy.sql import FromClause

from etl.commands import terminal
from etl.commands.terminal import UNBOUNDED
from etl.errors import UsageError
from etl.warehouse.counts import RESOURCES
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import SCHEMA

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
SOON = timedelta(days=3)


class ResourceStatus(NamedTuple):
    """One resource of an account, as `sync_health` shows it."""

    last_success_at: datetime | None = None
    age: timedelta | None = None
    rows: int = 0
    rejected: int = 0
    hours_until_loss: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The resource as `status --json` shows it."""
        return {
            "last_success_at": _instant(self.last_success_at),
            "age_seconds": None if self.age is None else int(self.age.total_seconds()),
            "rows": self.rows,
            "rejected": self.rejected,
            "hours_until_loss": self.hours_until_loss,
        }

    def is_older(self, max_age: timedelta) -> bool:
        """True also if there never was a good sync."""
        return self.age is None or self.age > max_age


class Gap(NamedTuple):
    """Imports submitted since and until may have come and gone unseen."""

    since: datetime
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """The gap as `status --json` shows it."""
        return {"from": _instant(self.since), "to": _instant(self.until)}


class AccountStatus(NamedTuple):
    """All resources of an account, and the gaps in what is known of its imports."""

    resources: dict[str, ResourceStatus]
    gaps: list[Gap]

    def to_json(self) -> dict[str, Any]:
        """The account as `status --json` shows it."""
        resources = {name: resource.to_json() for name, resource in self.resources.items()}
        return {"resources": resources, "gaps": [gap.to_json() for gap in self.gaps]}


@dataclass(frozen=True)
class Status:
    """The state of every account; `stale` are those with a resource older than was asked for, or never synced."""

    accounts: dict[str, AccountStatus]
    stale: list[str]
    warehouse: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The answer of `status --json`."""
        return {
            "warehouse": self.warehouse,
            "accounts": {name: account.to_json() for name, account in self.accounts.items()},
            "stale": self.stale,
        }

    def print(self, *, quiet: bool = False) -> None:
        """Print the state on stdout, for people; quietly, only what needs somebody's attention."""
        self.render(terminal.console(), quiet=quiet)

    def render(self, console: "Console", *, quiet: bool = False) -> None:
        """Print a table, then what needs somebody's attention; nothing is cut off when nobody looks."""
        if not console.is_terminal:
            console.width = UNBOUNDED
        if not quiet:
            self._render_table(console)
        for line in self._warnings():
            console.print(line, markup=False, soft_wrap=True)

    def _render_table(self, console: "Console") -> None:
        if self.warehouse:
            console.print(f"warehouse {self.warehouse}", markup=False, soft_wrap=True)
        if not self.accounts:
            console.print("nothing was ever synced into this warehouse")
            return
        console.print(_table(self.accounts))

    def _warnings(self) -> Iterator[str]:
        for name, account in self.accounts.items():
            for gap in account.gaps:
                yield (
                    f"gap: imports of {name} submitted from {_minute(gap.since)} to {_minute(gap.until)} UTC "
                    "may have come and gone unseen"
                )
        if self.stale:
            yield f"stale: {', '.join(self.stale)}"


def read_status(
    connection: Connection,
    *,
    max_age: timedelta | None = None,
    accounts: Iterable[str] = (),
    warehouse: str | None = None,
) -> Status:
    """The state of every account that the warehouse knows, and of `accounts` even if it does not."""
    with translated():
        health = connection.execute(select(_view("sync_health", *ResourceStatus._fields, "resource"))).all()
        gaps = connection.execute(select(_view("coverage_gaps", "gap_from", "gap_to"))).all()
    found = {name: AccountStatus({}, []) for name in sorted({*accounts, *(row.account for row in health)})}
    for account in found.values():
        account.resources.update(dict.fromkeys(RESOURCES, ResourceStatus()))
    for row in health:
        found[row.account].resources[row.resource] = _resource(row)
    for row in sorted(gaps):
        found[row.account].gaps.append(Gap(row.gap_from.astimezone(UTC), row.gap_to.astimezone(UTC)))
    return Status(found, _stale(found, max_age), warehouse)


def _view(name: str, *columns: str) -> FromClause:
    return table(name, column("account"), *map(column, columns), schema=SCHEMA)


def _resource(row: Any) -> ResourceStatus:
    hours = row.hours_until_loss
    return ResourceStatus(row.last_success_at, row.age, row.rows, row.rejected, None if hours is None else float(hours))


def _stale(accounts: dict[str, AccountStatus], max_age: timedelta | None) -> list[str]:
    if max_age is None:
        return []
    return [
        name
        for name, account in accounts.items()
        if any(resource.is_older(max_age) for resource in account.resources.values())
    ]


def parse_duration(text: str) -> timedelta:
    """The duration that `6h`, `90m`, `2d`, `1d12h` or `30s` means."""
    found = DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise UsageError("a duration is written like 6h, 90m, 2d, 1d12h or 30s")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise UsageError("a duration is at most 999999999 days") from None


# In words


def _table(accounts: dict[str, AccountStatus]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - takes a while, and machines do not need it

    grid = Table(box=None, pad_edge=False)
    for name in ("account", "resource", "last good sync (UTC)"):
        grid.add_column(name)
    for name in ("age", "rows", "rejected", "gaps", "until loss"):
        grid.add_column(name, justify="right")
    for name, account in accounts.items():
        for resource, state in account.resources.items():
            gaps = len(account.gaps) if resource == "imports" else None
            grid.add_row(name, resource, *_cells(state, gaps), style=_style(state, gaps))
    return grid


def _cells(state: ResourceStatus, gaps: int | None) -> Sequence[str]:
    return (
        "never" if state.last_success_at is None else _minute(state.last_success_at),
        "–" if state.age is None else in_words(state.age),
        f"{state.rows:,}",
        f"{state.rejected:,}",
        "" if gaps is None else str(gaps),
        _until_loss(state.hours_until_loss),
    )


def _style(state: ResourceStatus, gaps: int | None) -> str:
    hours = state.hours_until_loss
    if gaps or (hours is not None and hours < 0):
        return "red"
    return "yellow" if state.rejected or (hours is not None and timedelta(hours=hours) < SOON) else ""


def _until_loss(hours: float | None) -> str:
    if hours is None:
        return "–"
    return in_words(timedelta(hours=hours)) if hours >= 0 else f"over for {in_words(timedelta(hours=-hours))}"


def in_words(span: timedelta) -> str:
    """The two largest units of a duration, such as `3 d 4 h`; a clock that went back gives `0 s`."""
    rest = max(int(span.total_seconds()), 0)
    for (unit, seconds), (smaller, fewer) in pairwise(UNITS):
        if rest >= seconds:
            count, left = divmod(rest, seconds)
            return f"{count} {unit} {left // fewer} {smaller}" if left >= fewer else f"{count} {unit}"
    return f"{rest} s"


def _minute(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
