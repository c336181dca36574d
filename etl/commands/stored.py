"""Holding an account's settings against what is stored of it, for `check`."""

from sqlalchemy import Connection

from etl.config import AccountSettings
from etl.warehouse import binding, sqlstates
from etl.warehouse.binding import Origin


def source(connection: Connection, settings: AccountSettings) -> str:
    """Whether a sync would read what the account is bound to; raise if it would refuse to."""
    with sqlstates.translated():
        bound, origin = binding.origin_of(connection, settings.name), Origin.of(settings)
    binding.require_same_place(settings.name, bound, origin)
    if bound is None:
        return f"{origin.api_url}: the first sync binds the account to it"
    proof = "" if bound == origin else "; by another client, so the next sync has to find an import that is known"
    return f"{origin.api_url}, as before{proof}"
