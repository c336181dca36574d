"""What only imports have: records still to be loaded, and the source's forgetting."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Text, and_, bindparam, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY

from etl.load.halving import by_halves
from etl.warehouse.sql import statement
from etl.warehouse.tables import imports
from etl.warehouse.writing import write

OPEN = "keep"
"""What is noted of records of which every cell is kept as it is."""

IDS = bindparam("ids", type_=ARRAY(Text))
WANTED = func.unnest(IDS).table_valued("id", name="wanted").render_derived()
"""The ids of the parameter, a row each: a sub-select for each of them finds its row by the key's index."""


def pending_imports(connection: Connection, account: str, ids: Collection[str]) -> set[str]:
    """Select of these imports those whose records are not all in; one that cannot be asked for is none."""
    mine = (imports.c.account == account, imports.c.import_id == WANTED.c.id)
    is_pending = select(imports.c.records_loaded_at.is_(None)).where(*mine).scalar_subquery()

    def find(part: Sequence[str]) -> set[str]:
        return set(connection.scalars(select(WANTED.c.id).where(is_pending), {"ids": part}))

    return set[str]().union(*by_halves(connection, find, list(ids), []))


def recognises(connection: Connection, account: str, ids: Collection[str], *, retention: timedelta) -> bool | None:
    """Recognise one of these as a known import that the source should still have; None if none such is known."""
    begin = func.now() - retention
    at_source = and_(
        imports.c.account == account,
        imports.c.expired_at.is_(None),
        # Not coalesce(): an index finds either.
        or_(imports.c.created_at > begin, and_(imports.c.created_at.is_(None), imports.c.first_seen_at > begin)),
    )
    is_known = select(true()).where(imports.c.import_id == WANTED.c.id, at_source).scalar_subquery()

    def find(part: Sequence[str]) -> bool:
        return connection.scalar(select(WANTED.c.id).where(is_known).limit(1), {"ids": part}) is not None

    if any(by_halves(connection, find, list(ids), [])):
        return True
    return None if connection.scalar(select(true()).where(at_source).limit(1)) is None else False


class StoredOtherwise(NamedTuple):
    """How many records were stored under other privacy settings, and how many of them the source has forgotten."""

    records: int
    gone: int

    def __str__(self) -> str:
        left, gone = self.records - self.gone, self.gone
        ways = [f"sync --full replaces {left:,}"] * bool(left) + [f"{gone:,} the source has forgotten"] * bool(gone)
        return (
            f"{self.records:,} records were stored under other privacy settings or another key than now: "
            f"{', '.join(ways)}"
        )


def stored_otherwise(connection: Connection, account: str, privacy: str) -> StoredOtherwise:
    """Count the account's records kept in another way than this; where all may be kept, an unknown way will do."""
    parameters = {"account": account, "privacy": privacy, "is_open": privacy == OPEN}
    return StoredOtherwise(*connection.execute(statement("stored_otherwise"), parameters).one())


def missing_imports(
    connection: Connection, account: str, seen: Collection[str], *, retention: timedelta
) -> dict[str, bool]:
    """Return the imports that have not expired and were not seen; True if the source's retention is over for them.

    They are told apart here: the source's ids may hold what the database cannot even be asked for.
    """
    age = func.now() - func.coalesce(imports.c.created_at, imports.c.first_seen_at)
    there = (imports.c.account == account, imports.c.expired_at.is_(None))
    found = connection.execute(select(imports.c.import_id, (age > retention).label("is_over")).where(*there))
    return {row.import_id: row.is_over for row in found if row.import_id not in seen}


def mark_expired(connection: Connection, account: str, ids: Collection[str]) -> int:
    """Mark these imports, none of which had expired, with the instant at which the source had forgotten them."""
    if not ids:
        return 0
    mine = (imports.c.account == account, imports.c.import_id == bindparam("id"), imports.c.expired_at.is_(None))
    statement = update(imports).where(*mine).values(expired_at=func.now(), last_changed_at=func.now())
    write(connection, statement, [{"id": import_id} for import_id in ids])
    return len(ids)
