"""An account of a running sandbox, and the part of a warehouse that a sync fills from it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydantic import SecretStr

from etl.config import AccountSettings
from etl.instants import parse_window
from etl.sandbox import Sandbox, World
from etl.sandbox import running as running_sandbox
from etl.sync.accounts import LIMIT, Call, sync_accounts
from etl.sync.outcome import SyncOutcome
from etl.sync.run import Options
from etl.warehouse import tables
from etl.warehouse.connections import open_engine

NAME = "acme"
RESOURCES = ("imports", "import_records", "case_fields", "case_field_entries")
NOTHING = {"inserted": 0, "updated": 0, "removed": 0, "rejected": 0}
RECORDS = re.compile(r"/bulk-imports/users/([^/?]+)/records")
IMPORT = re.compile(r"/bulk-imports/users/([^/?]+)$")


@dataclass
class Account:
    """One account on both sides: what the source says, and what was stored of it."""

    sandbox: Sandbox
    url: str
    name: str = NAME
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """What the source knows."""
        return self.sandbox.world

    @property
    def settings(self) -> AccountSettings:
        """The settings of a patient person would make failing tests slow."""
        values: dict[str, Any] = {
            "account": self.name,
            "api_url": self.sandbox.url,
            "token_url": self.sandbox.token_url,
            "client_id": "sandbox",
            "client_secret": SecretStr("sandbox"),
            "retry_seconds": 0.3,
            "timeout": 5,
        }
        return AccountSettings(**values | self.changes)

    def sync(self, *, from_: str | None = None, to: str | None = None, **options: Any) -> SyncOutcome:
        """What a sync came to; the sandbox's log of requests begins with it."""
        return sync(self, from_=from_, to=to, **options)

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """The rows of an answer, by another road than the product's."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def column(self, statement: str, *parameters: object) -> list[Any]:
        """The first value of each row."""
        return [next(iter(row.values())) for row in self.rows(statement, *parameters)]

    def value(self, statement: str, *parameters: object) -> Any:
        """The only value of an answer."""
        (found,) = self.column(statement, *parameters)
        return found

    def size(self, table: str, import_id: str | None = None) -> int:
        """How many rows a table has, of one import or of all."""
        where = "" if import_id is None else "WHERE import_id = %(import_id)s"
        with psycopg.connect(self.url) as connection:
            answer = connection.execute(f"SELECT FROM talkdesk.{table} {where}".encode(), {"import_id": import_id})
            return answer.rowcount

    def command(self, statement: str) -> None:
        """A statement that no transaction may hold was run."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def change(self, statement: str, *parameters: object) -> None:
        """Somebody has been at the rows; at least one of them was there."""
        with psycopg.connect(self.url) as connection:
            assert connection.execute(statement.encode(), parameters).rowcount

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table, as text."""
        names = sorted(table.name for table in tables.metadata.tables.values())
        return {name: sorted(self.column(f"SELECT t::text FROM talkdesk.{name} AS t")) for name in names}  # noqa: S608

    def asked(self, pattern: re.Pattern[str]) -> list[str]:
        """The ids of the imports that were asked for at such an address, in the last sync."""
        return [found[1] for seen in self.sandbox.requests if (found := pattern.search(seen.target))]


def sync(
    *accounts: Account,
    from_: str | None = None,
    to: str | None = None,
    stop: threading.Event | None = None,
    keep_rejected: timedelta = timedelta(days=90),
    keep_runs: timedelta = timedelta(days=400),
    jobs: int = 1,
    limit: timedelta = LIMIT,
    **options: Any,
) -> SyncOutcome:
    """What a sync of several accounts into the warehouse of the first came to."""
    for account in accounts:
        account.sandbox.requests.clear()
    call = Call(
        open_engine(accounts[0].url),
        Options(window=parse_window(from_, to), **options),
        keep_rejected=keep_rejected,
        keep_runs=keep_runs,
        stop=stop or threading.Event(),
        limit=limit,
    )
    return sync_accounts(call, [account.settings for account in accounts], jobs=jobs)


@contextmanager
def running(url: str, *, name: str = NAME, **options: Any) -> Iterator[Account]:
    """An account whose sandbox runs inside, with few and small imports unless told otherwise."""
    with running_sandbox(**{"imports": 12, "records": 8, "per_page": 5} | options) as sandbox:
        yield Account(sandbox, url, name)


def changed(outcome: SyncOutcome, resource: str, *, account: int = 0) -> dict[str, int]:
    """What a sync changed of a resource; only what is not zero."""
    counts = outcome.accounts[account].resources[resource].counts.to_json()
    return {name: counts[name] for name in NOTHING if counts[name]}


def changes(outcome: SyncOutcome) -> dict[str, dict[str, int]]:
    """What a sync changed at all, by resource."""
    found = {resource: changed(outcome, resource) for resource in outcome.accounts[0].resources}
    return {resource: counts for resource, counts in found.items() if counts}


def now() -> datetime:
    """The instant, as an argument of the functions that look back."""
    return datetime.now(UTC)
