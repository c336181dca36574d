"""The ledger: one row per run and account, one per resource; written whatever happens to the run."""

from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl import __version__
from etl.instants import Window
from etl.warehouse.counts import Counts, Traffic
from etl.warehouse.tables import sync_run_resources, sync_runs


class Run(NamedTuple):
    """One sync of one account."""

    run_id: str
    account: str


def start_run(connection: Connection, run: Run, *, window: Window | None, options: dict[str, Any]) -> int:
    """Afterwards the run is on record as running, and no older run of the account is; says how many had died.

    Running this again, after a lost connection, changes nothing.
    """
    died = (
        sync_runs.c.account == run.account,
        sync_runs.c.outcome == "running",
        sync_runs.c.run_id != run.run_id,
    )
    closed = connection.execute(update(sync_runs).where(*died).values(outcome="died", finished_at=func.now()))
    row = {
        "account": run.account,
        "run_id": run.run_id,
        "outcome": "running",
        "window_from": window.since if window else None,
        "window_to": window.until if window else None,
        "options": options,
        "version": __version__,
    }
    connection.execute(upsert_into(sync_runs).on_conflict_do_nothing(), row)
    return closed.rowcount


def save_resource(
    connection: Connection, run: Run, resource: str, *, counts: Counts, traffic: Traffic, complete: bool
) -> None:
    """Afterwards the resource's counts are on record."""
    values = {**asdict(counts), **asdict(traffic), "complete": complete}
    statement = upsert_into(sync_run_resources).values(
        account=run.account, run_id=run.run_id, resource=resource, **values
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["account", "run_id", "resource"], set_=values))


def finish_run(connection: Connection, run: Run, *, outcome: str, error: str | None) -> None:
    """Afterwards the run is closed with its outcome."""
    mine = (sync_runs.c.account == run.account, sync_runs.c.run_id == run.run_id)
    connection.execute(update(sync_runs).where(*mine).values(outcome=outcome, error=error, finished_at=func.now()))


def seconds_since_listing(connection: Connection, account: str) -> float | None:
    """Seconds since the start of the newest run that read the whole list of imports; None if there was none."""
    same_run = and_(
        sync_runs.c.account == sync_run_resources.c.account, sync_runs.c.run_id == sync_run_resources.c.run_id
    )
    whole = and_(
        sync_runs.c.account == account,
        sync_runs.c.window_from.is_(None),
        sync_runs.c.window_to.is_(None),
        sync_run_resources.c.resource == "imports",
        sync_run_resources.c.complete,
    )
    age = func.extract("epoch", func.now() - func.max(sync_runs.c.started_at))
    found = connection.scalar(select(age).select_from(sync_runs.join(sync_run_resources, same_run)).where(whole))
    return None if found is None else float(found)
