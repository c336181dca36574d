"""What only imports have: records still to be loaded, and the source's forgetting."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import Connection, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from etl.warehouse.tables import imports

IDS = bindparam("ids", type_=ARRAY(Text))


def pending_imports(connection: Connection, account: str, ids: Sequence[str]) -> set[str]:
    """Of these imports, those whose records are not all in."""
    mine = (
        imports.c.account == account,
        imports.c.import_id == func.any(IDS),
        imports.c.records_loaded_at.is_(None),
    )
    return set(connection.scalars(select(imports.c.import_id).where(*mine), {"ids": list(ids)}))


def missing_imports(
    connection: Connection, account: str, seen: Collection[str], *, retention: timedelta
) -> dict[str, bool]:
    """The imports that have not expired and were not seen; True if the source's retention is over for them."""
    age = func.now() - func.coalesce(imports.c.created_at, imports.c.first_seen_at)
    seen_ids = func.unnest(bindparam("seen", type_=ARRAY(Text))).table_valued("import_id", name="seen").render_derived()
    unseen = (imports.c.account == account, imports.c.expired_at.is_(None), seen_ids.c.import_id.is_(None))
    found = connection.execute(
        select(imports.c.import_id, (age > retention).label("is_over"))
        .select_from(imports.outerjoin(seen_ids, imports.c.import_id == seen_ids.c.import_id))
        .where(*unseen),
        {"seen": list(seen)},
    )
    return {row.import_id: row.is_over for row in found}


def mark_expired(connection: Connection, account: str, ids: Sequence[str]) -> int:
    """Afterwards the imports carry the instant at which the source was found to have forgotten them."""
    mine = (
        imports.c.account == account,
        imports.c.import_id == func.any(IDS),
        imports.c.expired_at.is_(None),
    )
    values = {"expired_at": func.now(), "last_changed_at": func.now()}
    return connection.execute(update(imports).where(*mine).values(values), {"ids": list(ids)}).rowcount
