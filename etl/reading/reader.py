"""One account's side of the source."""

import threading
from typing import NamedTuple

from etl.config import AccountSettings
from etl.extract.client import Client
from etl.transform.privacy import Privacy
from etl.transform.users import Kept


class Source(NamedTuple):
    """One account's side of the source, and what of its records and users may be kept."""

    client: Client
    privacy: Privacy
    concurrency: int
    stop: threading.Event
    users: Kept = "keep"

    @classmethod
    def of(cls, settings: AccountSettings, client: Client, *, stop: threading.Event) -> "Source":
        """Return the account's side, with what its settings allow to be kept."""
        users: Kept = "names" if settings.users == "names" else "keep"
        return cls(client, privacy_of(settings), settings.concurrency, stop, users)


def privacy_of(settings: AccountSettings) -> Privacy:
    """Return what the settings allow to be kept."""
    key = settings.hash_key.get_secret_value().encode() if settings.hash_key else b""
    return Privacy.of(settings.record_data, settings.hash_columns, key)
