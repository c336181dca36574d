"""Keeping what could not be loaded: one row per distinct item, with the reason."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl.load.imports import IDS
from etl.rows import Rejected
from etl.warehouse.tables import rejected_items


def keep_rejected(connection: Connection, account: str, run_id: str, items: Sequence[Rejected]) -> int:
    """Afterwards every item is kept and known to have been seen now; says how many are new."""
    if not items:
        return 0
    rows = {_digest(item): item for item in items}
    mine = rejected_items.c.account == account
    known = select(rejected_items.c.item_id).where(mine, rejected_items.c.item_id == func.any(IDS))
    new = set(rows) - set(connection.scalars(known, {"ids": list(rows)}))
    values = [{"account": account, "item_id": key, "run_id": run_id, **item._asdict()} for key, item in rows.items()]
    statement = upsert_into(rejected_items).on_conflict_do_update(
        index_elements=["account", "item_id"], set_={"last_seen_at": func.now()}
    )
    connection.execute(statement, values)
    return len(new)


def prune_rejected(connection: Connection, account: str, keep: timedelta) -> int:
    """Afterwards no item is kept that was last seen longer ago than `keep`."""
    old = rejected_items.c.last_seen_at < func.now() - keep
    return connection.execute(delete(rejected_items).where(rejected_items.c.account == account, old)).rowcount


def _digest(item: Rejected) -> str:
    parts = (item.resource, item.import_id or "", item.item)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
