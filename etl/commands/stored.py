"""Holding an account's settings against what is stored of it, for `check`."""

from collections.abc import Collection

from sqlalchemy import Connection

from etl import load
from etl.config import AccountSettings
from etl.errors import UsageError
from etl.reading.reader import privacy_of
from etl.transform.privacy import NO_CELLS
from etl.warehouse import binding, sqlstates
from etl.warehouse.binding import Origin
from etl.warehouse.sql import statement


def source(connection: Connection, settings: AccountSettings) -> str:
    """Tell whether a sync would read what the account is bound to; raise if it would refuse to."""
    with sqlstates.translated():
        bound, origin = binding.origin_of(connection, settings.name), Origin.of(settings)
    binding.require_same_place(settings.name, bound, origin)
    if bound is None:
        return f"{origin.api_url}: the first sync binds the account to it"
    proof = "" if bound == origin else "; by another client, so the next sync has to find an import that is known"
    return f"{origin.api_url}, as before{proof}"


def hash_columns(connection: Connection, settings: AccountSettings, on_source: Collection[str]) -> str:
    """Which columns there are; raise if the settings name one that no stored record has, and none that was just read.

    Before anything is stored that is only said: a single import is no measure.
    """
    with sqlstates.translated():
        there = set(connection.scalars(statement("columns_seen"), {"account": settings.name}))
    seen = sorted(there | set(on_source))
    if not seen:
        return "no record was seen whose columns could be compared"
    unmet = sorted(privacy_of(settings).named - NO_CELLS - set(seen))
    columns = f"columns seen: {', '.join(seen)}"
    if not unmet:
        return columns
    message = f"TALKDESK_HASH_COLUMNS: no record was seen that has a column {', '.join(map(repr, unmet))}; {columns}"
    if there:
        raise UsageError(message)
    return message


def privacy(connection: Connection, settings: AccountSettings) -> str:
    """Tell whether all that is stored of records was kept as the settings say now."""
    with sqlstates.translated():
        found = load.stored_otherwise(connection, settings.name, privacy_of(settings).fingerprint)
    return str(found) if found.records else "no record was stored under other settings"
