"""Loading what has a history: imports, case fields and entries.

Rows travel as one JSON parameter, not through a temporary table: an idle run then writes nothing, catalog included.
What is stored is compared column by column; only rows that differ are written, together with their versions.

Each row's partner is looked up by a sub-select of its own, and written by its key: the key's index answers that, be the
statistics as they may, while a join may read the account whole for every part.
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
    false,
    func,
    insert,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl.load.halving import Stored, store_by_halves
from etl.load.rowsets import (
    ACCOUNT,
    AT,
    BYTES_PER_STATEMENT,
    ROWS_PER_STATEMENT,
    Key,
    Versioned,
    incoming_rows,
    row_parameters,
)
from etl.rows import Rejected
from etl.warehouse.counts import Counts
from etl.warehouse.writing import only_compares, write

FIRST_KEYS = bindparam("first_keys", type_=ARRAY(Text))


def upsert(connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes]) -> Stored:
    """Upsert the rows, each a JSON object by its key; each is then its current version, too (SCD type 2).

    A row that the database refuses is rejected, and stays as it was stored before.
    """
    counts, refused, changed = Counts(), list[tuple[Key, str]](), set[Key]()
    load = _insert_part if _is_first_load(connection, what, account) else _upsert_part

    def store(keys: Sequence[Key]) -> Counts:
        return load(connection, what, account, {key: rows[key] for key in keys}, changed)

    for part in _parts(rows):
        counts.add(store_by_halves(connection, store, list(part), refused))
    rejected = [Rejected(what.table.name, None, rows[key].decode(), reason) for key, reason in refused]
    return Stored(counts, rejected, [key for key, _ in refused], changed)


def _parts(rows: Mapping[Key, bytes]) -> Iterator[dict[Key, bytes]]:
    """Yield the rows in parts that one statement can take."""
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
    """Tell whether there is nothing to compare with, which saves a first sync most of its time here."""
    if only_compares(connection):
        return False
    stored = (
        select(table.c.account).where(table.c.account == ACCOUNT).limit(1) for table in (what.table, what.versions)
    )
    return not any(connection.execute(some, {"account_name": account}).first() for some in stored)


def _insert_part(
    connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes], changed: set[Key]
) -> Counts:
    at = next_instant(connection, what, account, rows)
    write(connection, _insert(what), row_parameters(account, rows) | {"at": at})
    changed.update(rows)
    return Counts(inserted=len(rows))


def _upsert_part(
    connection: Connection, what: Versioned, account: str, rows: Mapping[Key, bytes], changed: set[Key]
) -> Counts:
    found = connection.execute(_differing(what), row_parameters(account, rows)).all()
    if found:
        _write(connection, what, account, {what.key_of(row): row for row in found}, rows)
    inserted = sum(row.is_new for row in found)
    updated = sum(row.is_changed for row in found)
    changed.update(what.key_of(row) for row in found if row.is_new or row.is_changed)
    return Counts(inserted=inserted, updated=updated, unchanged=len(rows) - inserted - updated)


def _write(
    connection: Connection,
    what: Versioned,
    account: str,
    found: Mapping[Key, Row[Any]],
    rows: Mapping[Key, bytes],
) -> None:
    at = next_instant(connection, what, account, found)
    _each(connection, _end_version(what), what, account, at, [key for key, row in found.items() if row.is_outdated])
    for statement, chosen in (
        (_open_versions(what), [key for key, row in found.items() if row.is_outdated is not False]),
        (_upsert(what), [key for key, row in found.items() if row.is_new or row.is_changed]),
    ):
        if chosen:
            write(connection, statement, row_parameters(account, {key: rows[key] for key in chosen}) | {"at": at})


def _each(
    connection: Connection, statement: Any, what: Versioned, account: str, at: datetime, keys: Collection[Key]
) -> None:
    """Execute the statement once for each key."""
    if keys:
        given = {"account_name": account, "at": at}
        write(connection, statement, [{**given, **what.key_parameters(key)} for key in keys])


def missing(
    connection: Connection, what: Versioned, account: str, seen: Collection[Key], *, spare: Collection[str] = ()
) -> list[Key]:
    """Return keys of the rows that are there but were not seen; rows whose first key is to be spared left out.

    They are told apart here: the source's keys may hold what the database cannot even be asked for.
    """
    statement = select(*(what.table.c[name] for name in what.keys)).where(what.table.c.account == ACCOUNT, ~what.gone)
    there = (tuple(row) for row in connection.execute(statement, {"account_name": account}))
    return [key for key in there if key not in seen and key[0] not in spare]


def mark_removed(connection: Connection, what: Versioned, account: str, keys: Collection[Key]) -> int:
    """Mark the rows with the instant of their removal, and end their versions."""
    if not keys:
        return 0
    at = next_instant(connection, what, account, keys)
    _each(connection, _end_version(what), what, account, at, keys)
    _each(connection, _remove(what), what, account, at, keys)
    return len(keys)


def next_instant(connection: Connection, what: Versioned, account: str, keys: Collection[Key]) -> datetime:
    """Move the database's clock past every version of these keys: a clock that jumped back corrupts nothing."""
    versions, wanted = what.versions, func.unnest(FIRST_KEYS).table_valued("key", name="wanted").render_derived()
    latest = func.greatest(
        func.max(versions.c.valid_from) + text("interval '1 microsecond'"), func.max(versions.c.valid_to)
    )
    mine = and_(versions.c.account == ACCOUNT, versions.c[what.keys[0]] == wanted.c.key)
    of_each = select(latest).where(mine).scalar_subquery()
    statement = select(func.greatest(func.clock_timestamp(), func.max(of_each))).select_from(wanted)
    parameters = {"account_name": account, "first_keys": sorted({key[0] for key in keys})}
    found: datetime = connection.execute(statement, parameters).scalar_one()
    return found


def _differs(stored: Table, incoming: FromClause, names: Sequence[str]) -> ColumnElement[bool]:
    return tuple_(*(stored.c[name] for name in names)).is_distinct_from(tuple_(*(incoming.c[name] for name in names)))


def _differing(what: Versioned) -> Select[Any]:
    """Return keys of the incoming rows that are new, differ from the stored row, or from the current version."""
    incoming, table, versions = incoming_rows(what.table, what.columns), what.table, what.versions
    changed = _of_partner(what, table, or_(what.gone, _differs(table, incoming, what.columns)), incoming)
    outdated = _of_partner(what, versions, _differs(versions, incoming, what.versioned_columns), incoming)
    return select(
        *(incoming.c[name] for name in what.keys),
        changed.is_(None).label("is_new"),
        func.coalesce(changed, false()).label("is_changed"),
        outdated.label("is_outdated"),
    ).where(or_(func.coalesce(changed, true()), func.coalesce(outdated, true())))


def _of_partner(what: Versioned, stored: Table, verdict: ColumnElement[bool], incoming: FromClause) -> Any:
    """Return the verdict on the incoming row's stored row or current version; NULL if there is none."""
    same = [stored.c.account == ACCOUNT, *(stored.c[name] == incoming.c[name] for name in what.keys)]
    if stored is what.versions:
        same.append(stored.c.valid_to.is_(None))
    return select(verdict).where(*same).scalar_subquery()


def _key(what: Versioned, table: Table) -> ColumnElement[bool]:
    """Return the row of the parameters' key."""
    return and_(table.c.account == ACCOUNT, *(table.c[name] == bindparam(f"key_{name}") for name in what.keys))


def _end_version(what: Versioned) -> Any:
    return (
        update(what.versions).values(valid_to=AT).where(_key(what, what.versions), what.versions.c.valid_to.is_(None))
    )


def _remove(what: Versioned) -> Any:
    values = {"removed_at": AT, "last_changed_at": AT}
    return update(what.table).values(values).where(_key(what, what.table), what.table.c.removed_at.is_(None))


def _open_versions(what: Versioned) -> Any:
    incoming = incoming_rows(what.table, what.columns)
    rows = select(ACCOUNT, *(incoming.c[name] for name in what.versioned_columns), AT)
    return insert(what.versions).from_select(["account", *what.versioned_columns, "valid_from"], rows)


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
