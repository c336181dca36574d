"""Loading what has a history: imports, case fields and entries.

Rows travel as one JSON parameter, not through a temporary table: an idle run then writes nothing, catalog included.
What is stored is compared column by column; only rows that differ are written, together with their versions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl.load.rowsets import (
    ACCOUNT,
    AT,
    BYTES_PER_STATEMENT,
    FIRST_KEYS,
    ROWS_PER_STATEMENT,
    Key,
    Versioned,
    current_version,
    first_keys,
    incoming_rows,
    list_parameters,
    listed,
    row_parameters,
    same_key,
)
from etl.warehouse.counts import Counts


def upsert(connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes]) -> Counts:
    """Afterwards the rows, each a JSON object by its key, stand in the table and are the current versions."""
    counts = Counts()
    load = _insert_part if _is_first_load(connection, what, account) else _upsert_part
    for part in _parts(rows):
        counts.add(load(connection, what, account, part))
    return counts


def _parts(rows: Mapping[Key, bytes]) -> Iterator[dict[Key, bytes]]:
    """The rows in parts that one statement can take."""
    part: dict[Key, bytes] = {}
    size = 0
    for key, row in rows.items():
        if part and (len(part) >= ROWS_PER_STATEMENT or size + len(row) > BYTES_PER_STATEMENT):
            yield part
            part, size = {}, 0
        part[key] = row
        size += len(row)
    if part:
        yield part


def _is_first_load(connection: Connection, what: Versioned, account: str) -> bool:
    """True if there is nothing to compare with, which saves a first sync most of its time here."""
    stored = (
        select(table.c.account).where(table.c.account == ACCOUNT).limit(1) for table in (what.table, what.versions)
    )
    return not any(connection.execute(some, {"account_name": account}).first() for some in stored)


def _insert_part(connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes]) -> Counts:
    at = next_instant(connection, what, account, rows)
    connection.execute(_insert(what), row_parameters(account, rows) | {"at": at})
    return Counts(inserted=len(rows))


def _upsert_part(connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes]) -> Counts:
    found = connection.execute(_differing(what), row_parameters(account, rows)).all()
    if found:
        _write(connection, what, account, {tuple(row[: len(what.keys)]): row for row in found}, rows)
    inserted = sum(row.is_new for row in found)
    updated = sum(row.is_changed for row in found)
    return Counts(inserted=inserted, updated=updated, unchanged=len(rows) - inserted - updated)


def _write(
    connection: Connection,
    what: Versioned,
    account: str,
    found: Mapping[Key, Row[Any]],
    rows: Mapping[Key, bytes],
) -> None:
    differing = row_parameters(account, {key: rows[key] for key in found})
    differing["at"] = next_instant(connection, what, account, found)
    connection.execute(_close_versions(what), differing)
    connection.execute(_open_versions(what), differing)
    changed = {key: rows[key] for key, row in found.items() if row.is_new or row.is_changed}
    if changed:
        connection.execute(_upsert(what), row_parameters(account, changed) | {"at": differing["at"]})


def missing(
    connection: Connection, what: Versioned, account: str, seen: Collection[Key], *, spare: Sequence[str] = ()
) -> list[Key]:
    """Keys of the rows that are there but were not seen; rows whose first key is to be spared left out."""
    table, seen_keys = what.table, listed(what)
    same = and_(*(table.c[name] == seen_keys.c[name] for name in what.keys))
    # A join, for NOT IN would compare each row with each key as soon as the keys outgrow work_mem.
    statement = (
        select(*(table.c[name] for name in what.keys))
        .select_from(table.outerjoin(seen_keys, same))
        .where(
            table.c.account == ACCOUNT,
            ~what.gone,
            table.c[what.keys[0]] != func.all(bindparam("spare", type_=ARRAY(Text))),
            seen_keys.c[what.keys[0]].is_(None),
        )
    )
    parameters = {"account_name": account, "spare": list(spare), **list_parameters(what, seen)}
    return [tuple(row) for row in connection.execute(statement, parameters)]


def mark_removed(connection: Connection, what: Versioned, account: str, keys: Collection[Key]) -> int:
    """Afterwards the rows carry the instant of their removal, and their versions have ended."""
    if not keys:
        return 0
    at = next_instant(connection, what, account, keys)
    parameters = {"account_name": account, "at": at, **first_keys(keys), **list_parameters(what, keys)}
    connection.execute(_end_versions(what), parameters)
    connection.execute(_remove(what), parameters)
    return len(keys)


def next_instant(connection: Connection, what: Versioned, account: str, keys: Collection[Key]) -> datetime:
    """The database's clock, moved past every version of these keys: a clock that jumped back corrupts nothing."""
    versions = what.versions
    latest = func.greatest(
        func.clock_timestamp(),
        func.max(versions.c.valid_from) + text("interval '1 microsecond'"),
        func.max(versions.c.valid_to),
    )
    mine = and_(versions.c.account == ACCOUNT, versions.c[what.keys[0]] == func.any(FIRST_KEYS))
    parameters = {"account_name": account, **first_keys(keys)}
    found: datetime = connection.execute(select(latest).where(mine), parameters).scalar_one()
    return found


def _differs(stored: Table, incoming: FromClause, names: Sequence[str]) -> ColumnElement[bool]:
    return tuple_(*(stored.c[name] for name in names)).is_distinct_from(tuple_(*(incoming.c[name] for name in names)))


def _changed(what: Versioned, incoming: FromClause) -> ColumnElement[bool]:
    return and_(what.table.c.account.is_not(None), or_(what.gone, _differs(what.table, incoming, what.columns)))


def _differing(what: Versioned) -> Select[Any]:
    """Keys of the incoming rows that are new, differ from the stored row, or from the current version."""
    incoming = incoming_rows(what.table, what.columns)
    table, versions = what.table, what.versions
    is_new, is_changed = table.c.account.is_(None), _changed(what, incoming)
    stale = or_(versions.c.account.is_(None), _differs(versions, incoming, what.versioned_columns))
    joined = incoming.outerjoin(table, same_key(what, table, incoming))
    return (
        select(*(incoming.c[name] for name in what.keys), is_new.label("is_new"), is_changed.label("is_changed"))
        .select_from(joined.outerjoin(versions, current_version(what, incoming)))
        .where(or_(is_new, is_changed, stale))
    )


def _close_versions(what: Versioned) -> Any:
    incoming, versions = incoming_rows(what.table, what.columns), what.versions
    differs = _differs(versions, incoming, what.versioned_columns)
    return update(versions).values(valid_to=AT).where(current_version(what, incoming), differs)


def _end_versions(what: Versioned) -> Any:
    return update(what.versions).values(valid_to=AT).where(current_version(what, listed(what)))


def _remove(what: Versioned) -> Any:
    is_there = what.table.c.removed_at.is_(None)
    values = {"removed_at": AT, "last_changed_at": AT}
    return update(what.table).values(values).where(same_key(what, what.table, listed(what)), is_there)


def _open_versions(what: Versioned) -> Any:
    incoming, versions = incoming_rows(what.table, what.columns), what.versions
    rows = (
        select(ACCOUNT, *(incoming.c[name] for name in what.versioned_columns), AT)
        .select_from(incoming.outerjoin(versions, current_version(what, incoming)))
        .where(versions.c.account.is_(None))
    )
    return insert(versions).from_select(["account", *what.versioned_columns, "valid_from"], rows)


def _insert(what: Versioned) -> Any:
    incoming = select(incoming_rows(what.table, what.columns)).cte("incoming")
    columns, versioned = ([incoming.c[name] for name in names] for names in (what.columns, what.versioned_columns))
    opened = insert(what.versions).from_select(
        ["account", *what.versioned_columns, "valid_from"], select(ACCOUNT, *versioned, AT)
    )
    names = ["account", *what.columns, "first_seen_at", "last_changed_at"]
    return insert(what.table).from_select(names, select(ACCOUNT, *columns, AT, AT)).add_cte(opened.cte("opened"))


def _upsert(what: Versioned) -> Any:
    incoming, table = incoming_rows(what.table, what.columns), what.table
    rows = select(ACCOUNT, *(incoming.c[name] for name in what.columns), AT, AT)
    names = ["account", *what.columns, "first_seen_at", "last_changed_at"]
    statement = upsert_into(table).from_select(names, rows)
    written = {name: statement.excluded[name] for name in (*what.columns, "last_changed_at") if name not in what.keys}
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={**written, **dict.fromkeys(what.reset, null())}
    )
