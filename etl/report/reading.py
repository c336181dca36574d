"""The questions of the page, asked of the product's own views, and their answers as small typed rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from etl.errors import UsageError, one_line
from etl.instants import Window
from etl.warehouse.accounts import stored_accounts
from etl.warehouse.sql import statements
from etl.warehouse.sqlstates import translated

SQL = statements("etl.report", "report.sql")
USUAL = timedelta(days=30)
MOST_IMPORTS = 200
MOST_OPTIONS = 2_000

Rows = Sequence[Row[Any]]


class Asked(NamedTuple):
    """What the page is to be about: these accounts (all, if none is named), the window, one field's whole tree."""

    accounts: Sequence[str] = ()
    window: Window | None = None
    field: str | None = None


@dataclass
class Option:
    """A node of a dictionary tree, with what is below it."""

    key: str
    label: str | None
    below: list["Option"] = field(default_factory=list)


class Tree(NamedTuple):
    """A case field; `options` are None where there are too many for the page."""

    account: str
    key: str
    name: str | None
    is_active: bool
    number: int
    options: list[Option] | None


class Account(NamedTuple):
    """How far the copy of an account can be trusted; the worse it is, the greater its `trouble`."""

    name: str
    last_success_at: datetime | None
    hours_until_loss: float | None
    gaps: int
    rejected: int
    incomplete: int
    imports: int

    @property
    def trouble(self) -> tuple[bool, bool, float, int, int]:
        """What makes an account worse than another, the gravest first."""
        age = 0.0 if self.last_success_at is None else -self.last_success_at.timestamp()
        is_near = self.hours_until_loss is not None and self.hours_until_loss < NEAR_LOSS_HOURS
        return self.last_success_at is None, is_near, float(self.gaps), self.rejected + self.incomplete, int(age)


NEAR_LOSS_HOURS = 72


@dataclass(frozen=True)
class Report:
    """Everything that is on the page."""

    as_of: datetime
    since: datetime
    until: datetime
    revision: str
    accounts: list[Account]
    gaps: Rows
    listings: Rows
    daily: Rows
    types: Rows
    durations: Rows
    people: Rows
    errors: Rows
    newest: Rows
    imports: int
    changes: Rows
    trees: list[Tree]

    @property
    def names(self) -> list[str]:
        """The accounts by name."""
        return sorted(account.name for account in self.accounts)


def read_report(connection: Connection, asked: Asked) -> Report:
    """Read all that the page shows; UsageError if an account or a field is not stored."""
    with translated():
        names = _chosen(stored_accounts(connection), asked.accounts)
        clock = connection.execute(SQL["clock"]).one()
        since, until = _period(asked.window, clock.as_of)

        def ask(name: str, **more: Any) -> Rows:
            given = {"accounts": names, "since": since, "until": until, **more}
            return connection.execute(SQL[name], given).all()

        return Report(
            as_of=clock.as_of.astimezone(UTC),
            since=since,
            until=until,
            revision=clock.revision,
            accounts=_accounts(names, ask("health"), ask("gaps"), ask("incomplete")),
            gaps=ask("gaps"),
            listings=ask("listings"),
            daily=ask("daily"),
            types=ask("types"),
            durations=ask("durations"),
            people=ask("people"),
            errors=ask("errors"),
            newest=ask("newest", most=MOST_IMPORTS),
            imports=ask("imports_in_all")[0].imports,
            changes=ask("changed_options"),
            trees=_trees(connection, ask("fields", field=asked.field), asked.field),
        )


def _chosen(stored: list[str], names: Sequence[str]) -> list[str]:
    if unknown := [name for name in names if name not in stored]:
        raise UsageError(
            f"account {', '.join(map(one_line, unknown))} is not in the warehouse; {', '.join(stored) or 'none'} is"
        )
    return sorted(set(names)) or stored


def _period(window: Window | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the instants between which imports were created; without a window the last thirty days."""
    until = (window.until if window else None) or now
    since = (window.since if window else None) or until - USUAL
    return since.astimezone(UTC), until.astimezone(UTC)


def _accounts(names: Sequence[str], health: Rows, gaps: Rows, incomplete: Rows) -> list[Account]:
    """Return the accounts, the worst first."""
    missing = {row.account: row.imports for row in incomplete}
    found = [
        _account(name, [row for row in health if row.account == name], gaps, missing.get(name, 0)) for name in names
    ]
    return sorted(found, key=lambda account: account.trouble, reverse=True)


def _account(name: str, health: Rows, gaps: Rows, incomplete: int) -> Account:
    seen = [row.last_success_at for row in health]
    loss = [float(row.hours_until_loss) for row in health if row.hours_until_loss is not None]
    return Account(
        name,
        None if not seen or None in seen else min(seen),
        min(loss, default=None),
        sum(gap.account == name for gap in gaps),
        sum(row.rejected for row in health),
        incomplete,
        sum(row.rows for row in health if row.resource == "imports"),
    )


def _trees(connection: Connection, fields: Rows, whole: str | None) -> list[Tree]:
    """Return the fields with their options, as long as these are not too many; one that is asked for is whole."""
    if whole is not None and not fields:
        raise UsageError(f"--field: there is no case field {one_line(whole)!r}")
    trees, left = list[Tree](), MOST_OPTIONS
    for row in fields:
        fits = whole is not None or row.options <= left
        options = _options(connection, row.account, row.field_key) if fits else None
        left -= row.options if fits else 0
        trees.append(Tree(row.account, row.field_key, row.name, row.active is not False, row.options, options))
    return trees


def _options(connection: Connection, account: str, key: str) -> list[Option]:
    found: dict[str, Option] = {}
    roots: list[Option] = []
    for row in connection.execute(SQL["options"], {"account": account, "field": key}):
        option = found[row.entry_id] = Option(row.key, row.label)
        parent = found.get(row.parent_id) if row.parent_id else None
        (roots if parent is None else parent.below).append(option)
    return roots
