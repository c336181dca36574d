"""The ledger: one row per run and account, one per resource; written whatever happens to the run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl import __version__
from etl.instants import Window
from etl.warehouse.counts import Counts, Traffic, told_of
from etl.warehouse.sql import statement
from etl.warehouse.tables import sync_run_resources, sync_runs
from etl.warehouse.writing import write

OF_ALL = told_of(())
"""The resources that every account may have."""


A_LIFE = timedelta(days=36_500)
"""No run is older; so long before now there are instants in every calendar."""


class RunKey(NamedTuple):
    """The key of one run: a sync of one account."""

    run_id: str
    account: str


def start_run(connection: Connection, run: RunKey, *, window: Window | None, options: dict[str, Any]) -> int:
    """Record the run as running; no older run of the account still is, and it says how many had died.

    Running this again, after a lost connection, changes nothing.
    """
    died = (
        sync_runs.c.account == run.account,
        sync_runs.c.outcome == "running",
        sync_runs.c.run_id != run.run_id,
    )
    closed = write(connection, update(sync_runs).where(*died).values(outcome="died", finished_at=func.now()))
    row = {
        "account": run.account,
        "run_id": run.run_id,
        "outcome": "running",
        "window_from": window.since if window else None,
        "window_to": window.until if window else None,
        "options": options,
        "version": __version__,
    }
    write(connection, upsert_into(sync_runs).on_conflict_do_nothing(), row)
    return closed


def save_resource(
    connection: Connection, run: RunKey, resource: str, *, counts: Counts, traffic: Traffic, complete: bool
) -> None:
    """Record the resource's counts."""
    values = {**asdict(counts), **asdict(traffic), "complete": complete}
    statement = upsert_into(sync_run_resources).values(
        account=run.account, run_id=run.run_id, resource=resource, **values
    )
    write(connection, statement.on_conflict_do_update(index_elements=["account", "run_id", "resource"], set_=values))


def finish_run(connection: Connection, run: RunKey, *, outcome: str, error: str | None) -> bool:
    """Close the run with its outcome; False if it is not on record."""
    mine = (sync_runs.c.account == run.account, sync_runs.c.run_id == run.run_id)
    closed = update(sync_runs).where(*mine).values(outcome=outcome, error=error, finished_at=func.now())
    return bool(write(connection, closed))


def due_accounts(connection: Connection, accounts: Sequence[str], age: timedelta, few: int) -> list[str]:
    """Return, the stalest first, a few of the accounts whose last run began longer ago, or died, or never was.

    By the start, not by the last success: accounts that fail each time must not keep the others from their turns.
    """
    wanted = {"accounts": list(accounts), "age": min(age, A_LIFE), "few": few}
    with _by_look_ups(connection):
        return list(connection.execute(statement("due_accounts"), wanted).scalars())


def is_due(connection: Connection, account: str, age: timedelta) -> bool:
    """Tell whether the account's last run began longer ago, or died; under its lock, where none can be running."""
    mine = sync_runs.c.account == account
    newest = select(sync_runs.c.started_at, sync_runs.c.outcome).where(mine)
    newest = newest.order_by(sync_runs.c.started_at.desc(), sync_runs.c.run_id.desc()).limit(1)
    last = newest.subquery()
    fresh = select(last.c.started_at).where(
        last.c.outcome.not_in(("running", "died")), last.c.started_at > func.now() - min(age, A_LIFE)
    )
    return connection.execute(fresh).first() is None


def seconds_since_listing(connection: Connection, account: str) -> float | None:
    """Return seconds since the start of the newest run that read the whole list of imports; None if there was none."""
    with _by_look_ups(connection):
        found = connection.scalar(statement("seconds_since_listing"), {"account": account})
    return None if found is None else float(found)


def fold_runs(connection: Connection, account: str, keep: timedelta, resources: Sequence[str] = OF_ALL) -> None:
    """Fold the runs older than `keep`: they leave the ledger, but for those that still tell of now.

    The views answer as before: what the gaps need is folded first, and the newest reads of these resources stay.
    Nothing is written if nothing is that old.
    """
    old = {"account": account, "keep": keep}
    with _by_look_ups(connection):
        write(connection, statement("fold_listings"), old)
        write(connection, statement("move_fold"), {"account": account})
        write(connection, statement("forget_resources"), {**old, "resources": list(resources)})
        write(connection, statement("forget_runs"), old)


@contextmanager
def _by_look_ups(connection: Connection) -> Iterator[None]:
    """Allow nested loops inside: few runs are found one by one, else the server would read the whole ledger."""
    before = connection.scalar(select(func.current_setting("enable_nestloop")))
    connection.execute(select(func.set_config("enable_nestloop", "on", True)))  # noqa: FBT003 - of Postgres
    yield
    connection.execute(select(func.set_config("enable_nestloop", before, True)))  # noqa: FBT003 - of Postgres
