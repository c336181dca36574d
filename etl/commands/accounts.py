"""Accounts: which are configured, which are stored and with how much, and how one gets another name or goes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from etl.commands import terminal
from etl.commands.status import Run, last_runs
from etl.commands.terminal import UNBOUNDED, shown
from etl.config import Configured
from etl.warehouse.accounts import require_stored, rows_of, stored_accounts
from etl.warehouse.counts import RESOURCES
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated

if TYPE_CHECKING:
    from rich.console import Console


class KnownAccount(NamedTuple):
    """An account that is configured or stored, with the rows of each resource and its last run."""

    is_configured: bool
    is_stored: bool
    rows: dict[str, int]
    last_run: Run | None

    def to_json(self) -> dict[str, Any]:
        """Return the account as `accounts --json` shows it."""
        return {
            "configured": self.is_configured,
            "stored": self.is_stored,
            "rows": self.rows,
            "last_run": self.last_run and self.last_run.to_json(),
        }

    @property
    def where(self) -> str:
        """Where it is known, in words."""
        if self.is_configured and self.is_stored:
            return "configured, stored"
        return "configured, not stored" if self.is_configured else "stored, not configured"


@dataclass(frozen=True)
class Accounts:
    """All accounts that are known, by name."""

    accounts: Mapping[str, KnownAccount]
    warehouse: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that `accounts --json` prints."""
        accounts = {name: account.to_json() for name, account in self.accounts.items()}
        return {"warehouse": self.warehouse, "accounts": accounts}

    def print(self) -> None:
        """Print them on stdout, for people."""
        self.render(terminal.console())

    def render(self, console: "Console") -> None:
        """Print a few lines for each account; nothing is cut off when nobody looks."""
        if not console.is_terminal:
            console.width = UNBOUNDED
        lines = [f"warehouse {self.warehouse}"]
        for name, account in self.accounts.items():
            lines.append(f"{name}: {account.where}")
            if account.is_stored:
                lines.append(f"  rows: {in_words(account.rows)}")
                lines.append(f"  last run: {account.last_run.in_words() if account.last_run else 'none on record'}")
        if not self.accounts:
            lines.append("no account is configured or stored")
        for line in lines:
            console.print(shown(line), markup=False, soft_wrap=True)


def read_accounts(connection: Connection, configured: Iterable[Configured], warehouse: str) -> Accounts:
    """Return the accounts that are configured or stored."""
    names = {account.name for account in configured}
    with translated():
        stored = stored_accounts(connection)
        counted = connection.execute(statement("stored_rows"), {"accounts": stored}).mappings().all()
        runs = last_runs(connection, stored)
    rows = {each["account"]: {resource: each[resource] for resource in RESOURCES} for each in counted}
    nothing = dict.fromkeys(RESOURCES, 0)
    found = {
        name: KnownAccount(name in names, name in rows, rows.get(name, nothing), runs.get(name))
        for name in sorted({*names, *stored})
    }
    return Accounts(found, warehouse)


def what_would_go(connection: Connection, account: str) -> str:
    """Return all that is stored of the account, in words; raise if nothing is."""
    with translated():
        require_stored(connection, account)
        return in_words(rows_of(connection, account))


def in_words(rows: Mapping[str, int]) -> str:
    """Numbers of rows by table or resource."""
    return ", ".join(f"{number:,} {name}" for name, number in rows.items())
