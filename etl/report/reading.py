"""The questions of the page, asked of the product's own views, and their answers as small typed rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from etl.errors import UsageError, one_line
from etl.instants import Window
from etl.report.failures import Failure, counted_failures
from etl.warehouse.accounts import stored_accounts
from etl.warehouse.sql import statement, statements
from etl.warehouse.sqlstates import translated

SQL = statements("etl.report", "report.sql")
USUAL = timedelta(days=30)
MOST_IMPORTS = 200
MOST_PEOPLE = 15
MOST_OPTIONS = 2_000
MOST_CHANGES = 200
SAMPLES, MOST_SAMPLES = 5, 20_000
"""Records that are held against each text of errors, and in all: where each error says something else, it quotes."""

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
    is_inactive: bool = False
    below: list["Option"] = field(default_factory=list)


class Change(NamedTuple):
    """What happened to a case field, or to one of its options, and when; `within` are the options above it."""

    account: str
    field_key: str
    field: str | None
    what: str
    within: str | None
    was: str | None
    is_now: str | None
    at: datetime


class Tree(NamedTuple):
    """A case field and its options, or as many of them as there is room for; `number` are all."""

    account: str
    key: str
    name: str | None
    is_active: bool
    is_required: bool
    number: int
    shown: int
    options: list[Option]


class Account(NamedTuple):
    """How far the copy of an account can be trusted; the worse it is, the greater its `trouble`."""

    name: str
    last_success_at: datetime | None
    hours_until_loss: float | None
    gaps: int
    rejected: int
    incomplete: int
    imports: int
    failed_run: str | None

    @property
    def trouble(self) -> tuple[bool, bool, float, int, int]:
        """What makes an account worse than another, the gravest first."""
        age = 0.0 if self.last_success_at is None else -self.last_success_at.timestamp()
        is_near = self.hours_until_loss is not None and self.hours_until_loss < NEAR_LOSS_HOURS
        trouble = self.rejected + self.incomplete + (self.failed_run is not None)
        return self.last_success_at is None, is_near, float(self.gaps), trouble, int(age)


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
    errors: list[Failure]
    why: dict[tuple[str, str], Failure]
    newest: Rows
    imports: int
    undated: int
    changes: list[Change]
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

        errors, why = counted_failures(ask("errors"), ask("samples", of_each=SAMPLES, most=MOST_SAMPLES))
        return Report(
            as_of=clock.as_of.astimezone(UTC),
            since=since,
            until=until,
            revision=clock.revision,
            accounts=_accounts(
                names,
                {
                    "health": ask("health"),
                    "gaps": ask("gaps"),
                    "incomplete": connection.execute(statement("incomplete_imports")).all(),
                    "newest_runs": connection.execute(statement("newest_runs"), {"accounts": names}).all(),
                },
            ),
            gaps=ask("gaps"),
            listings=ask("listings"),
            daily=ask("daily"),
            types=ask("types"),
            durations=ask("durations"),
            people=ask("people", most=MOST_PEOPLE),
            errors=errors,
            why=why,
            newest=ask("newest", most=MOST_IMPORTS),
            imports=ask("imports_in_all")[0].imports,
            undated=ask("undated")[0].imports,
            changes=_changes(ask("option_changes", field=asked.field), ask("field_changes", field=asked.field)),
            trees=_trees(connection, ask("fields", field=asked.field), asked.field),
        )


def _chosen(stored: list[str], names: Sequence[str]) -> list[str]:
    names = [name if name in stored else name.lower() for name in names]  # in the settings they are in small letters
    if unknown := [name for name in names if name not in stored]:
        raise UsageError(
            f"account {', '.join(map(one_line, unknown))} is not in the warehouse; {', '.join(stored) or 'none'} is"
        )
    return sorted(set(names)) or stored


def _period(window: Window | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the instants between which imports were created; without a window those of the last thirty days."""
    until = (window.until if window else None) or now
    until = min(until, now)
    since = (window.since if window else None) or _usual(until)
    if since >= until:
        raise UsageError("--from: nothing can be told yet of a time that is still to come")
    return since.astimezone(UTC), until.astimezone(UTC)


def _usual(until: datetime) -> datetime:
    """Return the beginning of the last thirty days, the one that ends with that instant included."""
    last = (until.astimezone(UTC) - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return last - USUAL + timedelta(days=1)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _accounts(names: Sequence[str], found: Mapping[str, Rows]) -> list[Account]:
    """Return the accounts, the worst first."""
    made = [
        _account(name, {what: [row for row in rows if row.account == name] for what, rows in found.items()})
        for name in names
    ]
    return sorted(made, key=lambda account: account.trouble, reverse=True)


def _account(name: str, found: Mapping[str, Rows]) -> Account:
    health = found["health"]
    seen = [row.last_success_at for row in health]
    loss = [float(row.hours_until_loss) for row in health if row.hours_until_loss is not None]
    return Account(
        name,
        None if not seen or None in seen else min(seen),
        min(loss, default=None),
        len(found["gaps"]),
        sum(row.rejected for row in health),
        sum(row.imports for row in found["incomplete"]),
        sum(row.rows for row in health if row.resource == "imports"),
        next((_failed_run(row) for row in found["newest_runs"]), None),
    )


def _failed_run(run: Row[Any]) -> str | None:
    """Return how the newest run failed, if it did; one that merely met rejected items did not."""
    words = {"failed": "has failed", "died": "has died", "interrupted": "was interrupted", "partial": "did only a part"}
    if run.outcome not in words or (run.outcome == "partial" and run.error is None):
        return None
    return f"the last run {words[run.outcome]}{f': {run.error}' if run.error else '.'}"


def _changes(options: Rows, fields: Rows) -> list[Change]:
    """Return what happened to options and to fields, the newest first; a key stands in for a label that is none."""
    found = [
        Change(
            row.account,
            row.field_key,
            row.field_name,
            f"option {row.kind}",
            row.within,
            None if row.kind == "added" else row.was or row.key,
            None if row.kind == "removed" else row.is_now or row.key,
            row.changed_at,
        )
        for row in options
    ]
    found += [
        Change(
            row.account,
            row.field_key,
            row.is_now or row.was,
            f"field {row.kind}",
            None,
            row.was,
            row.is_now,
            row.changed_at,
        )
        for row in fields
    ]
    return sorted(found, key=lambda each: each.at, reverse=True)


def _trees(connection: Connection, fields: Rows, whole: str | None) -> list[Tree]:
    """Return the fields with their options: small trees are whole, and what room is left is the large ones'.

    One that is asked for is whole.
    """
    if whole is not None and not fields:
        raise UsageError(f"--field: there is no case field {one_line(whole)!r}")
    room, left = dict[tuple[str, str], int](), MOST_OPTIONS
    for row in sorted(fields, key=lambda each: each.options):
        room[row.account, row.field_key] = row.options if whole is not None else min(row.options, left)
        left -= min(row.options, left)
    return [_tree(connection, row, room[row.account, row.field_key]) for row in fields]


def _tree(connection: Connection, field: Row[Any], most: int) -> Tree:
    asked = {"account": field.account, "field": field.field_key, "most": most}
    found: dict[str, Option] = {}
    roots: list[Option] = []
    for row in connection.execute(SQL["options"], asked) if most else ():
        option = found[row.entry_id] = Option(row.key, row.label, row.is_inactive)
        parent = found.get(row.parent_id) if row.parent_id else None
        (roots if parent is None else parent.below).append(option)
    return Tree(
        field.account,
        field.field_key,
        field.name,
        field.active is not False,
        field.required is True,
        field.options,
        len(found),
        roots,
    )
