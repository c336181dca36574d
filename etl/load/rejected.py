"""Keeping what could not be loaded: one row per distinct item, with the reason."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select, text, true
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl.load.imports import WANTED
from etl.rows import Rejected
from etl.warehouse.tables import rejected_items
from etl.warehouse.writing import write

_ENCODING = text("SELECT pg_catalog.current_setting('server_encoding')")
_ESCAPED = re.compile(r"[^\x00-\x7f]")


def keep_rejected(connection: Connection, account: str, run_id: str, items: Sequence[Rejected]) -> int:
    """Upsert every item, seen now; says how many are new.

    Where the database may lack their characters, those beyond ASCII are kept as JSON's escapes.
    """
    if not items:
        return 0
    if _lacks_characters(connection):
        items = [item._replace(item=_escaped(item.item), reason=_escaped(item.reason)) for item in items]
    rows = {_digest(item): item for item in items}
    mine = (rejected_items.c.account == account, rejected_items.c.item_id == WANTED.c.id)
    is_known = select(true()).where(*mine).scalar_subquery()
    new = set(rows) - set(connection.scalars(select(WANTED.c.id).where(is_known), {"ids": list(rows)}))
    values = [{"account": account, "item_id": key, "run_id": run_id, **item._asdict()} for key, item in rows.items()]
    statement = upsert_into(rejected_items)
    # Citus takes nothing into DO UPDATE that is not immutable: the instant comes with the row.
    seen = {"last_seen_at": statement.excluded.last_seen_at}
    write(connection, statement.on_conflict_do_update(index_elements=["account", "item_id"], set_=seen), values)
    return len(new)


def prune_rejected(connection: Connection, account: str, keep: timedelta) -> int:
    """Prune the items that were last seen longer ago than `keep`."""
    old = rejected_items.c.last_seen_at < func.now() - keep
    return write(connection, delete(rejected_items).where(rejected_items.c.account == account, old))


def _lacks_characters(connection: Connection) -> bool:
    """Tell whether the database's encoding holds less than a text of the source may."""
    encoding: str = connection.execute(_ENCODING).scalar_one()
    return encoding != "UTF8"


def _escaped(text: str) -> str:
    return _ESCAPED.sub(_escape, text)


def _escape(character: re.Match[str]) -> str:
    return json.dumps(character[0])[1:-1]


def _digest(item: Rejected) -> str:
    parts = (item.resource, item.import_id or "", item.item)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
