"""What the warehouse says about itself: how old each copy is, what may be missing, and how long until loss."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, column, select, table
from sqlalchemy.sql import FromClause

from etl.commands import terminal
from etl.commands.terminal import UNBOUNDED, shown
from etl.config import Configured
from etl.errors import UsageError
from etl.warehouse.counts import PARTS
from etl.warehouse.distributing import Cluster, cluster
from etl.warehouse.queue import Queue, read_queue
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import SCHEMA

if TYPE_CHECKING:
    from rich.console import Console

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
SOON = timedelta(days=3)
KINDS = ("stale", "failed", "gaps", "rejected", "loss")
DEFAULT_KINDS = frozenset({"stale"})
FAILED = frozenset({"failed", "interrupted", "died"})
NOTHING = "–"


class ResourceStatus(NamedTuple):
    """One resource of an account, as `sync_health` shows it."""

    last_success_at: datetime | None = None
    age: timedelta | None = None
    rows: int = 0
    rejected: int = 0
    hours_until_loss: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the resource as `status --json` shows it."""
        return {
            "last_success_at": _instant(self.last_success_at),
            "age_seconds": None if self.age is None else int(self.age.total_seconds()),
            "rows": self.rows,
            "rejected": self.rejected,
            "hours_until_loss": self.hours_until_loss,
        }

    def is_older(self, max_age: timedelta) -> bool:
        """Tell whether it is older, or there never was a good sync."""
        return self.age is None or self.age > max_age


class Gap(NamedTuple):
    """Imports submitted since and until may have come and gone unseen."""

    since: datetime
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """Return the gap as `status --json` shows it."""
        return {"from": _instant(self.since), "to": _instant(self.until)}


class Run(NamedTuple):
    """The newest run of an account: when it was, how it ended, and why if not well."""

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the run as `status --json` shows it."""
        instants = {"started_at": _instant(self.started_at), "finished_at": _instant(self.finished_at)}
        return {**self._asdict(), **instants}

    @property
    def has_failed(self) -> bool:
        """False also if it merely met items that were rejected: they have a word of their own."""
        return self.outcome in FAILED or (self.outcome == "partial" and self.error is not None)

    def in_words(self) -> str:
        """Return one line for people."""
        why = f": {self.error}" if self.error else ""
        return f"{self.outcome}, begun {_minute(self.started_at)} UTC{why}"


class AccountStatus(NamedTuple):
    """All that an account has, and the gaps in what is known of its imports; `is_judged` if it may be at fault."""

    resources: dict[str, ResourceStatus]
    gaps: list[Gap]
    is_configured: bool = False
    is_judged: bool = True
    last_run: Run | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the account as `status --json` shows it."""
        return {
            "configured": self.is_configured,
            "last_run": self.last_run and self.last_run.to_json(),
            "resources": {name: resource.to_json() for name, resource in self.resources.items()},
            "gaps": [gap.to_json() for gap in self.gaps],
        }


class Asked(NamedTuple):
    """What somebody wants to be told of, and what then is a fault.

    Shown are the accounts in `names`, else all; of each the parts that it has, or `only`. Judged are those that are
    named or configured; where nothing is configured, all.
    """

    fail_on: Collection[str] | None = None
    max_age: timedelta | None = None
    loss_within: timedelta = SOON
    names: Collection[str] = ()
    only: str | None = None

    def is_stale(self, resource: ResourceStatus) -> bool:
        """Without an age to go by, and asked for it, only what was never synced."""
        if self.max_age is None:
            return "stale" in (self.fail_on or ()) and resource.age is None
        return resource.is_older(self.max_age)

    def is_near_loss(self, resource: ResourceStatus) -> bool:
        """Tell whether imports that were not read may be lost within the time, or are."""
        hours = resource.hours_until_loss
        return hours is not None and hours <= self.loss_within.total_seconds() / 3600


JUST_LOOKING = Asked()


class Finding(NamedTuple):
    """Something that is wrong with an account, of a kind that `--fail-on` knows, and why."""

    kind: str
    account: str
    why: str


@dataclass(frozen=True)
class Status:
    """The state of every account, and what is to be made of it."""

    accounts: dict[str, AccountStatus]
    asked: Asked
    warehouse: str | None = None
    cluster: Cluster | None = None
    queue: Queue | None = None

    @property
    def findings(self) -> list[Finding]:
        """All that is wrong with the accounts that are judged."""
        return [
            finding
            for name, account in self.accounts.items()
            if account.is_judged
            for finding in _findings(name, account, self.asked)
        ]

    @property
    def stale(self) -> list[str]:
        """The accounts with a resource that is older than was asked for, or was never synced."""
        return [finding.account for finding in self.findings if finding.kind == "stale"]

    @property
    def found(self) -> list[Finding]:
        """What is wrong of the kinds that were asked for."""
        kinds = DEFAULT_KINDS if self.asked.fail_on is None else self.asked.fail_on
        return [finding for finding in self.findings if finding.kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `status --json`."""
        return {
            "warehouse": self.warehouse,
            "citus": self.cluster and self.cluster._asdict(),
            "accounts": {name: account.to_json() for name, account in self.accounts.items()},
            "stale": self.stale,
            "found": [finding._asdict() for finding in self.found],
            **({"queue": self.queue._asdict()} if self.queue else {}),
        }

    def print(self, *, quiet: bool = False) -> None:
        """Print the state on stdout, for people; quietly, only what needs somebody's attention."""
        self.render(terminal.console(), quiet=quiet)

    def render(self, console: "Console", *, quiet: bool = False) -> None:
        """Print a table, then what needs somebody's attention; nothing is cut off when nobody looks."""
        if not console.is_terminal:
            console.width = UNBOUNDED
        if not quiet:
            self._render_state(console)
        found = self.found
        for finding in self.findings:
            # A standing item that was rejected must not cry every hour, unless somebody asked for that.
            if not quiet or finding in found or finding.kind == "gaps":
                words = f"{finding.kind}: {finding.account}: {finding.why}"
                console.print(shown(words), markup=False, soft_wrap=True)

    def _render_state(self, console: "Console") -> None:
        if self.warehouse:
            beside = f"; {self.cluster.in_words()}" if self.cluster else ""
            console.print(f"warehouse {self.warehouse}{beside}", markup=False, soft_wrap=True)
        if self.queue:
            console.print(f"queue: {self.queue.in_words()}", markup=False, soft_wrap=True)
        if not self.accounts:
            console.print("nothing was ever synced into this warehouse")
            return
        _render_resources(self.accounts, self.asked, console)
        for name, account in self.accounts.items():
            said = account.last_run.in_words() if account.last_run else "never"
            beside = "" if account.is_configured else " (not configured)"
            console.print(shown(f"last run of {name}{beside}: {said}"), markup=False, soft_wrap=True)


def _findings(name: str, account: AccountStatus, asked: Asked) -> Iterator[Finding]:
    resources = account.resources.items()
    if old := {each: _age(state) for each, state in resources if asked.is_stale(state)}:
        yield Finding("stale", name, "; ".join(_by_age(old)))
    if account.last_run and account.last_run.has_failed:
        yield Finding("failed", name, f"the last run {account.last_run.in_words()}")
    for gap in account.gaps:
        span = f"from {_minute(gap.since)} to {_minute(gap.until)} UTC"
        yield Finding("gaps", name, f"imports submitted {span} may have come and gone unseen")
    for each, state in resources:
        if state.rejected:
            yield Finding(
                "rejected", name, f"{state.rejected:,} of {each} could not be loaded, see talkdesk.rejected_items"
            )
    for each, state in resources:
        if asked.is_near_loss(state):
            yield Finding("loss", name, f"{each} {_loss(state.hours_until_loss or 0)}")


def read_status(
    connection: Connection,
    asked: Asked = JUST_LOOKING,
    *,
    configured: Iterable[Configured] = (),
    warehouse: str | None = None,
) -> Status:
    """Read the state of every account that the warehouse knows, and of those that are configured."""
    parts = {account.name: account.parts for account in configured}
    with translated():
        health = connection.execute(select(_view("sync_health", *ResourceStatus._fields, "resource"))).all()
        gaps = connection.execute(select(_view("coverage_gaps", "gap_from", "gap_to"))).all()
        names = _chosen({*parts, *(row.account for row in health)}, asked.names)
        last = last_runs(connection, names)
        servers, queue = cluster(connection), read_queue(connection)
    stored = {(row.account, row.resource): _resource(row) for row in health}
    found = {
        name: AccountStatus(
            {each: stored.get((name, each), ResourceStatus()) for each in _wanted(name, parts, stored, asked.only)},
            [],
            is_configured=name in parts,
            is_judged=name in parts or not parts or name in asked.names,
            last_run=last.get(name),
        )
        for name in names
    }
    for row in sorted(gaps):
        if row.account in found and "imports" in found[row.account].resources:
            found[row.account].gaps.append(Gap(row.gap_from.astimezone(UTC), row.gap_to.astimezone(UTC)))
    return Status(found, asked, warehouse, servers, queue)


def last_runs(connection: Connection, accounts: Sequence[str]) -> dict[str, Run]:
    """Return the newest run of each of the accounts that has any."""
    found = connection.execute(statement("newest_runs"), {"accounts": accounts})
    return {row.account: Run(*(getattr(row, name) for name in Run._fields)) for row in found}


def _chosen(known: Collection[str], names: Collection[str]) -> list[str]:
    """Return the accounts to tell of; UsageError if one of the names is known nowhere."""
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(
            f"--account {', '.join(unknown)} is neither configured nor stored; "
            f"{', '.join(sorted(known)) or 'nothing'} is"
        )
    return sorted(set(names) or known)


def _wanted(
    name: str, parts: Mapping[str, Collection[str]], stored: Container[tuple[str, str]], only: str | None
) -> Iterator[str]:
    """Yield the resources that the account has: as it is configured, else as its last run was."""
    for part, resources in PARTS.items():
        has_it = part in parts[name] if name in parts else any((name, each) in stored for each in resources)
        if has_it and only in {None, part}:
            yield from resources


def parse_kinds(text: str) -> frozenset[str]:
    """Return the kinds of findings between the commas."""
    kinds = frozenset(word.strip().lower() for word in text.split(",") if word.strip())
    if not kinds or kinds - set(KINDS):
        raise UsageError(f"--fail-on takes {','.join(KINDS)}, one or several of them with commas between")
    return kinds


def _view(name: str, *columns: str) -> FromClause:
    return table(name, column("account"), *map(column, columns), schema=SCHEMA)


def _resource(row: Any) -> ResourceStatus:
    hours = row.hours_until_loss
    return ResourceStatus(row.last_success_at, row.age, row.rows, row.rejected, None if hours is None else float(hours))


# In words


def _render_resources(accounts: dict[str, AccountStatus], asked: Asked, console: "Console") -> None:
    """Print a table where there is room for one, else a line for each resource, which the terminal folds."""
    from rich.table import Table  # noqa: PLC0415 - takes a while, and machines do not need it
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False)
    for name in ("account", "resource", "state", "last good sync (UTC)"):
        grid.add_column(name)
    for name in ("age", "rows", "rejected", "gaps", "until loss"):
        grid.add_column(name, justify="right")
    lines: list[Text] = []
    for name, account in accounts.items():
        for resource, state in account.resources.items():
            gaps = len(account.gaps) if resource == "imports" else None
            words = _state(account, state, gaps, asked)
            style = "red" if {"gaps", "lost"} & set(words) else ""  # yellow fades on white
            cells = [shown(name), resource, ", ".join(words), *_cells(state, gaps)]
            grid.add_row(*map(Text, cells), style=style)
            lines.append(Text(_in_a_line(cells), style=style))
    if console.measure(grid, options=console.options.update_width(UNBOUNDED)).maximum <= console.width:
        console.print(grid)
        return
    for line in lines:
        console.print(line)


def _in_a_line(cells: Sequence[str]) -> str:
    account, resource, state, _, age, rows, rejected, _, until_loss = cells
    parts = [
        f"synced {age} ago" if age != NOTHING else "never synced",
        f"{rows} rows",
        f"{rejected} rejected" if rejected != "0" else "",
        f"until loss {until_loss}" if until_loss != NOTHING else "",
    ]
    return f"{account} {resource}: {state}; {', '.join(filter(None, parts))}"


def _state(account: AccountStatus, state: ResourceStatus, gaps: int | None, asked: Asked) -> list[str]:
    """Return what is wrong, in the words of the findings; colour says no more than they do."""
    if not account.is_judged:
        return ["not configured"]
    is_lost = (state.hours_until_loss or 0) < 0
    words = {
        "stale": asked.is_stale(state),
        "never": state.age is None and not asked.is_stale(state),
        "gaps": bool(gaps),
        "rejected": bool(state.rejected),
        "lost": is_lost,
        "loss": asked.is_near_loss(state) and not is_lost,
    }
    return [word for word, holds in words.items() if holds] or ["ok"]


def _cells(state: ResourceStatus, gaps: int | None) -> Sequence[str]:
    return (
        "never" if state.last_success_at is None else _minute(state.last_success_at),
        NOTHING if state.age is None else in_words(state.age),
        f"{state.rows:,}",
        f"{state.rejected:,}",
        "" if gaps is None else str(gaps),
        _until_loss(state.hours_until_loss),
    )


def _age(state: ResourceStatus) -> str:
    return "never synced" if state.age is None else f"last synced {in_words(state.age)} ago"


def _by_age(old: Mapping[str, str]) -> Iterator[str]:
    for age in dict.fromkeys(old.values()):
        yield f"{', '.join(resource for resource in old if old[resource] == age)} {age}"


def _loss(hours: float) -> str:
    when = f"in {in_words(timedelta(hours=hours))}" if hours >= 0 else f"for {in_words(timedelta(hours=-hours))}"
    return f"may be lost {when}"


def _until_loss(hours: float | None) -> str:
    if hours is None:
        return NOTHING
    return in_words(timedelta(hours=hours)) if hours >= 0 else f"over for {in_words(timedelta(hours=-hours))}"


def in_words(span: timedelta) -> str:
    """Return the two largest units of a duration, such as `3 d 4 h`; a clock that went back gives `0 s`."""
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
