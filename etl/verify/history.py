"""Comparing the warehouse with itself: rows that are gone at the source with their own last version, and the history.

What the source has forgotten or removed cannot be asked for any more; its last version says how it was.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, null, or_, select, true

from etl.load import CASE_FIELDS, ENTRIES, IMPORTS, USERS, Versioned
from etl.load.rowsets import ACCOUNT
from etl.verify.verification import Kind
from etl.verify.versioned import Finding, names_of
from etl.warehouse.sql import statements

SQL = statements("etl.verify", "history.sql")
VERSIONED = {"imports": IMPORTS, "case_fields": CASE_FIELDS, "case_field_entries": ENTRIES, "users": USERS}
COUNTED: dict[str, tuple[str, str | None, Kind]] = {
    "orphan_records": ("import_records", None, "extra"),
    "orphan_errors": ("import_records", "errors", "extra"),
    "miscounted_imports": ("imports", "records_loaded", "different"),
    "orphan_entries": ("case_field_entries", None, "extra"),
}
"""By statement: the resource of what it finds, the column, and the kind."""


def newest_listed(connection: Connection, account: str) -> datetime | None:
    """Find the source's instant up to which all its imports must be known here; None if nothing was listed."""
    found: datetime | None = connection.scalar(SQL["newest_listed"], {"account": account})
    return found


def ran_since(connection: Connection, account: str, since: datetime) -> bool:
    """Tell whether a sync of the account has been at work since the instant."""
    return bool(connection.scalar(SQL["ran_since"], {"account": account, "since": since}))


def compare_history(connection: Connection, account: str) -> Iterator[tuple[str, Finding]]:
    """Find damage in what is gone, in closed versions, and what belongs to nothing; each with its resource."""
    for resource, what in VERSIONED.items():
        for statement in (_gone(what), _chains(what), _rowless(what)):
            for row in connection.execute(statement, {"account_name": account}):
                for column in row.columns or [None]:
                    yield resource, Finding(row.key, row.path, column, "different" if column else "missing")
    ids = [*connection.scalars(select(IMPORTS.table.c.import_id).where(IMPORTS.table.c.account == account))]
    for name, (resource, column, kind) in COUNTED.items():
        for row in connection.execute(SQL[name], {"account": account, "ids": ids}):
            yield resource, Finding(row.key, None, column, kind)


@cache
def _gone(what: Versioned) -> Select[Any]:
    """Return rows that are gone at the source and differ from their last version, or have none."""
    table, versions = what.table, what.versions
    keys = [versions.c[name] for name in what.keys]
    order = func.row_number().over(partition_by=keys, order_by=versions.c.valid_from.desc())
    last = select(versions, order.label("nth")).where(versions.c.account == ACCOUNT).subquery("last")
    same = and_(last.c.nth == 1, *(last.c[name] == table.c[name] for name in what.keys))
    # Expiry leaves the version open, a removal ends it.
    wrong_end = last.c.valid_to.is_not(None) if what is IMPORTS else last.c.valid_to.is_(None)
    conditions = {name: table.c[name].is_distinct_from(last.c[name]) for name in what.versioned_columns}
    columns = case(
        (last.c.account.is_(None), names_of({"valid_from": true()})),
        else_=names_of({**conditions, "valid_to": wrong_end}),
    )
    return (
        select(table.c[what.keys[0]].label("key"), _path(what, table), columns.label("columns"))
        .select_from(table.outerjoin(last, same))
        .where(table.c.account == ACCOUNT, what.gone, func.cardinality(columns) > 0)
    )


@cache
def _chains(what: Versioned) -> Select[Any]:
    """Versions that overlap, last no time, leave a gap where there can be none, or begin after their row does."""
    versions, table = what.versions, what.table
    keys = [versions.c[name] for name in what.keys]
    order = versions.c.valid_from
    chain = (
        select(
            *keys,
            _path(what, versions),
            versions.c.valid_from,
            versions.c.valid_to,
            func.lead(order).over(partition_by=keys, order_by=order).label("next_from"),
            func.lag(order).over(partition_by=keys, order_by=order).label("previous_from"),
        )
        .where(versions.c.account == ACCOUNT)
        .subquery("chain")
    )
    goes_on = and_(chain.c.valid_to.is_(None), chain.c.next_from.is_not(None))
    broken = [goes_on, chain.c.valid_to <= chain.c.valid_from, chain.c.next_from < chain.c.valid_to]
    if what is IMPORTS:  # of a field or an entry, a gap is the time for which it was removed
        broken.append(chain.c.next_from > chain.c.valid_to)
    first = and_(chain.c.previous_from.is_(None), chain.c.valid_from > table.c.first_seen_at)
    columns = names_of({"valid_to": or_(*broken), "valid_from": first})
    same = and_(table.c.account == ACCOUNT, *(table.c[name] == chain.c[name] for name in what.keys))
    return (
        select(chain.c[what.keys[0]].label("key"), chain.c.path, columns.label("columns"))
        .select_from(chain.outerjoin(table, same))
        .where(func.cardinality(columns) > 0)
    )


@cache
def _rowless(what: Versioned) -> Select[Any]:
    """Things whose versions are there and whose row is not."""
    versions, table = what.versions, what.table
    same = and_(*(table.c[name] == versions.c[name] for name in ("account", *what.keys)))
    return (
        select(versions.c[what.keys[0]].label("key"), _path(what, versions), null().label("columns"))
        .distinct()
        .select_from(versions.outerjoin(table, same))
        .where(versions.c.account == ACCOUNT, table.c.account.is_(None))
    )


def _path(what: Versioned, of: Any) -> ColumnElement[Any]:
    return (of.c.path if what is ENTRIES else literal(None)).label("path")
