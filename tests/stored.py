"""Rows put straight into the tables, for tests of what reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from etl.warehouse.tables import sync_run_resources, sync_runs

ACCOUNT = "acme"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MORNING = datetime(2024, 3, 1, 10, tzinfo=UTC)


def add(connection: Connection, table: Table, **values: Any) -> None:
    """Afterwards the row is there."""
    connection.execute(insert(table).values({"account": ACCOUNT, **values}))


def now(connection: Connection) -> datetime:
    """The database's clock, which stands still inside a transaction."""
    return connection.execute(select(func.now())).scalar_one()


def add_run(
    connection: Connection, name: str, *complete: str, ago: timedelta, took: timedelta = HOUR, **values: Any
) -> None:
    """Afterwards a run is on record that began so long ago and read these resources to their end."""
    started_at = now(connection) - ago
    run = {"options": {}, "version": "0", "outcome": "succeeded", "finished_at": started_at + took}
    add(connection, sync_runs, run_id=name, started_at=started_at, **(run | values))
    account = values.get("account", ACCOUNT)
    for resource in complete:
        add(connection, sync_run_resources, account=account, run_id=name, resource=resource, complete=True)
