"""The accounts that are stored, and what concerns one of them in every table at once: another name, or its end.

The tables are those with an account, so that none that is added later is left out.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection, Engine, Select, Table, delete, func, select, union, update

from etl.errors import DatabaseError, LockHeld, UsageError
from etl.warehouse import rights
from etl.warehouse.session import LOCK, Warehouse
from etl.warehouse.tables import metadata

T = TypeVar("T")

TABLES = tuple(table for table in metadata.sorted_tables if "account" in table.c)


def stored_accounts(connection: Connection) -> list[str]:
    """Return the names of all accounts that have a row in any table, found by one look each into the tables' keys."""
    return sorted(connection.scalars(union(*map(_accounts_in, TABLES))))


def _accounts_in(table: Table) -> Select[tuple[str]]:
    first = select(func.min(table.c.account).label("account")).cte(f"in_{table.name}", recursive=True)
    after = select(func.min(table.c.account)).where(table.c.account > first.c.account).scalar_subquery()
    each = first.union_all(select(after).where(first.c.account.is_not(None)))
    return select(each.c.account).where(each.c.account.is_not(None))


def rows_of(connection: Connection, account: str) -> dict[str, int]:
    """Return how many rows each table has of the account; tables without any are left out."""
    counted = {
        table.name: connection.scalar(select(func.count()).select_from(table).where(table.c.account == account)) or 0
        for table in TABLES
    }
    return {name: number for name, number in counted.items() if number}


def require_stored(connection: Connection, account: str) -> None:
    """Raise unless a table has a row of the account."""
    stored = stored_accounts(connection)
    if account not in stored:
        raise UsageError(f"account {account} is not in the warehouse; {', '.join(stored) or 'none'} is")


def rename_account(engine: Engine, old: str, new: str, *, stop: threading.Event) -> dict[str, int]:
    """Rename the account in all that is stored of it; says how many rows of which tables."""

    def rename(connection: Connection) -> dict[str, int]:
        require_stored(connection, old)
        if not connection.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(LOCK + new, 0)))):
            raise LockHeld(f"a sync of account {new} is at work")
        if new in stored_accounts(connection):
            raise UsageError(f"account {new} is in the warehouse already: two histories cannot become one")
        return {
            table.name: connection.execute(update(table).where(table.c.account == old).values(account=new)).rowcount
            for table in TABLES
        }

    return _alone(engine, old, rename, stop)


def forget_account(engine: Engine, account: str, *, stop: threading.Event) -> dict[str, int]:
    """Delete all that is stored of the account; says how many rows of which tables are gone."""

    def forget(connection: Connection) -> dict[str, int]:
        require_stored(connection, account)
        if lacking := rights.lacking_to_delete(connection):
            raise DatabaseError(f"the role lacks a right: {'; '.join(lacking)}")
        return {
            table.name: connection.execute(delete(table).where(table.c.account == account)).rowcount for table in TABLES
        }

    return _alone(engine, account, forget, stop)


def _alone(
    engine: Engine, account: str, unit: Callable[[Connection], dict[str, int]], stop: threading.Event
) -> dict[str, int]:
    """Run the unit in one transaction while no sync of the account is at work; only tables it found rows in."""
    with closing(Warehouse(engine, account, run_id=f"accounts {uuid4().hex[:8]}", stop=stop)) as warehouse:
        warehouse.open()
        done = warehouse.transact(unit)
    return {name: number for name, number in done.items() if number}
