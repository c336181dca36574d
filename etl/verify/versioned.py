"""Comparing what has a history: source, stored row and open version, column by column, inside Postgres.

A column that differs from the source but agrees with the open version is as the last sync left it: the source moved.
One that disagrees with the open version was changed behind the sync's back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, array

from etl.jsontext import parse_json
from etl.load import ENTRIES, IMPORTS, Key, Versioned, by_halves
from etl.load.rowsets import (
    ACCOUNT,
    ROWS_PER_STATEMENT,
    current_version,
    incoming_rows,
    list_parameters,
    listed,
    row_parameters,
    same_key,
)
from etl.verify.verification import Kind


class Finding(NamedTuple):
    """A difference in one thing; `kind` is None where its column has no history to judge by."""

    key: str
    path: list[str] | None
    column: str | None
    kind: Kind | None


def compare_rows(
    connection: Connection,
    what: Versioned,
    account: str,
    rows: Mapping[Key, bytes],
    *,
    newest_listed: datetime | None = None,
) -> list[Finding]:
    """Return how the warehouse differs from these rows of the source, each a JSON object by its key.

    An import that is older than one that a complete listing has brought must be known. What the database cannot take
    in cannot be there.
    """
    keys = list(rows)
    found, refused = list[Finding](), list[tuple[Key, str]]()

    def compare(part: Sequence[Key]) -> list[Finding]:
        parameters = row_parameters(account, {key: rows[key] for key in part}) | {"newest_listed": newest_listed}
        return [finding for row in connection.execute(_differing(what), parameters) for finding in _findings(what, row)]

    for start in range(0, len(keys), ROWS_PER_STATEMENT):
        for part in by_halves(connection, compare, keys[start : start + ROWS_PER_STATEMENT], refused):
            found += part
    return found + _refused_findings(connection, what, account, {key: rows[key] for key, _ in refused})


def _refused_findings(
    connection: Connection, what: Versioned, account: str, refused: Mapping[Key, bytes]
) -> list[Finding]:
    """Return the rows that the database cannot take in differ from those of their keys, or are missing."""
    if not refused:
        return []
    statement = select(*(what.table.c[name] for name in what.keys)).where(what.table.c.account == ACCOUNT, ~what.gone)
    there = {tuple(row) for row in connection.execute(statement, {"account_name": account})}
    return [
        Finding(key[0], parse_json(row).get("path"), None, "different" if key in there else "missing")
        for key, row in refused.items()
    ]


def compare_absent(connection: Connection, what: Versioned, account: str, keys: Sequence[Key]) -> list[Finding]:
    """Return why rows stand here that the source lacks: it had them at the last sync, or nobody ever saw them there."""
    rows = connection.execute(_absent(what), {"account_name": account, **list_parameters(what, keys)})
    return [Finding(row.key, row.path, None, "moved" if row.has_version else "extra") for row in rows]


def _findings(what: Versioned, row: Row[Any]) -> Iterator[Finding]:
    if not row.is_stored:
        yield Finding(row.key, row.path, None, "missing" if row.was_known else "moved")
        return
    for column, kind in _columns(what, row):
        yield Finding(row.key, row.path, column, kind)


def _columns(what: Versioned, row: Row[Any]) -> Iterator[tuple[str, Kind | None]]:
    if row.is_gone:
        # A sync that removes a thing ends its version; only expiry leaves it open.
        yield what.reset[-1], "different" if row.has_version and what is not IMPORTS else "moved"
    elif not row.has_version:
        yield "valid_from", "different"
    by_kind: Iterable[tuple[Sequence[str], Kind | None]] = (
        (row.damaged, "different"),
        (row.moved, "moved"),
        (row.unjudged, None),
    )
    for columns, kind in by_kind:
        for column in columns:
            yield column, kind


@cache
def _differing(what: Versioned) -> Select[Any]:
    """Select incoming rows that are not stored, are stored as gone, or differ from the stored row or open version."""
    incoming = incoming_rows(what.table, what.columns)
    table, versions = what.table, what.versions
    has_version, is_stored = versions.c.account.is_not(None), table.c.account.is_not(None)
    damaged, moved, unjudged = (names_of(conditions) for conditions in _conditions(what, incoming))
    joined = incoming.outerjoin(table, same_key(what, table, incoming))
    return (
        select(
            incoming.c[what.keys[0]].label("key"),
            (incoming.c.path if what is ENTRIES else null()).label("path"),
            is_stored.label("is_stored"),
            what.gone.label("is_gone"),
            has_version.label("has_version"),
            or_(_was_seen(what, incoming), _was_listed(what, incoming)).label("was_known"),
            damaged.label("damaged"),
            moved.label("moved"),
            unjudged.label("unjudged"),
        )
        .select_from(joined.outerjoin(versions, current_version(what, incoming)))
        .where(or_(~is_stored, what.gone, ~has_version, func.cardinality(damaged + moved + unjudged) > 0))
    )


def _conditions(what: Versioned, incoming: FromClause) -> Iterator[dict[str, ColumnElement[bool]]]:
    """By column: when it was damaged, when it moved, and when it differs but has no history."""
    table, versions = what.table, what.versions
    has_version = versions.c.account.is_not(None)
    known = what.versioned_columns
    changed = {name: table.c[name].is_distinct_from(incoming.c[name]) for name in what.columns}
    strange = {name: and_(has_version, table.c[name].is_distinct_from(versions.c[name])) for name in known}
    lost = and_(~has_version, ~what.gone)
    yield {name: or_(strange[name], and_(changed[name], lost)) for name in known}
    yield {name: and_(changed[name], ~strange[name], ~lost) for name in known}
    yield {name: changed[name] for name in what.columns if name not in known}


def names_of(conditions: Mapping[str, ColumnElement[bool]]) -> ColumnElement[Any]:
    """Return the names whose condition holds, as an array."""
    names = [case((condition, literal(name, Text))) for name, condition in conditions.items()]
    listed: array[Any] = array(names, type_=Text)
    return func.array_remove(listed, null(), type_=ARRAY(Text))


def _was_seen(what: Versioned, incoming: FromClause) -> ColumnElement[bool]:
    past = what.versions.alias("past")
    # Limited, for the server would hash the whole account's history to answer EXISTS.
    one = select(true()).where(same_key(what, past, incoming)).limit(1).scalar_subquery()
    return func.coalesce(one, false())


def _was_listed(what: Versioned, incoming: FromClause) -> ColumnElement[bool]:
    if what is not IMPORTS:
        return false()
    newest = bindparam("newest_listed", type_=TIMESTAMP(timezone=True))
    return func.coalesce(incoming.c.created_at < newest, false())


@cache
def _absent(what: Versioned) -> Select[Any]:
    table, versions, keys = what.table, what.versions, listed(what)
    same = [table.c[name] == versions.c[name] for name in ("account", *what.keys)]
    chosen = and_(*(table.c[name] == keys.c[name] for name in what.keys))
    return (
        select(
            table.c[what.keys[0]].label("key"),
            (table.c.path if what is ENTRIES else null()).label("path"),
            versions.c.account.is_not(None).label("has_version"),
        )
        .select_from(table.join(keys, chosen).outerjoin(versions, and_(*same, versions.c.valid_to.is_(None))))
        .where(table.c.account == ACCOUNT)
    )
