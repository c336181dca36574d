"""Binding an account's name to the source it was first read from, so that no other one passes for it."""

from typing import NamedTuple, Self
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert_into

from etl.config import AccountSettings
from etl.errors import SourceChanged
from etl.warehouse.tables import accounts
from etl.warehouse.writing import write

ACCEPT = "if that is meant, sync once with --accept-source"
_PORTS = {"https": 443, "http": 80}


class Origin(NamedTuple):
    """Where an account is read from, without a secret.

    The client tells accounts apart only where the address of the tokens does not: a new client of the same account is
    an everyday thing, and at the account's own address no other account's client is let in.
    """

    api_url: str
    token_url: str
    client_id: str | None

    @classmethod
    def of(cls, settings: AccountSettings) -> Self:
        """Return where these settings lead."""
        client_id = None if settings.token_url_names_account else settings.client_id
        return cls(_plain(settings.api_url), _plain(settings.token_url), client_id)

    def is_at(self, other: "Origin") -> bool:
        """Tell whether both have the same addresses."""
        return (self.api_url, self.token_url) == (other.api_url, other.token_url)


def origin_of(connection: Connection, account: str) -> Origin | None:
    """Return what the account is bound to; None if it was never read, or only by a version that did not bind."""
    columns = (accounts.c.api_url, accounts.c.token_url, accounts.c.client_id)
    found = connection.execute(select(*columns).where(accounts.c.account == account)).one_or_none()
    return None if found is None else Origin(*found)


def bind(connection: Connection, account: str, origin: Origin) -> None:
    """Bind the account to this source; nothing is written if it was."""
    statement = upsert_into(accounts).values(account=account, bound_at=func.now(), **origin._asdict())
    names = Origin._fields
    differs = tuple_(*(accounts.c[name] for name in names)).is_distinct_from(
        tuple_(*(statement.excluded[name] for name in names))
    )
    changed = {name: statement.excluded[name] for name in (*names, "bound_at")}
    write(connection, statement.on_conflict_do_update(index_elements=["account"], set_=changed, where=differs))


def require_same_place(account: str, bound: Origin | None, origin: Origin) -> None:
    """Raise if the account is bound to other addresses than these."""
    if bound is None or bound.is_at(origin):
        return
    pairs = ((was, now) for was, now in zip(bound[:2], origin[:2], strict=True) if was != now)
    moves = " and ".join(f"{now} instead of {was}" for was, now in pairs)
    raise SourceChanged(
        f"account {account} is to be read from {moves}: {ACCEPT}; else correct the settings, "
        "or give what is read there a name of its own"
    )


def _plain(url: str) -> str:
    """Return the address in the one spelling of all that mean the same."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = "" if parts.port in {None, _PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path.rstrip('/')}"
