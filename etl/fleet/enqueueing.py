"""Asking for a sync or a backfill of accounts by name: whichever worker is free does it."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from procrastinate import exceptions

from etl.errors import DatabaseError
from etl.fleet.connecting import connector
from etl.fleet.ready import require_ready
from etl.fleet.tasks import Wish, app, configured


class Enqueued(NamedTuple):
    """How many wishes wait from now on, and how many waited already."""

    enqueued: int
    already: int


def enqueue(url: str, wishes: Sequence[Wish], *, stop: threading.Event) -> Enqueued:
    """Put the wishes into the queue, each once."""
    require_ready(url, stop=stop)
    with app.replace_connector(connector(url)), app.open():
        try:
            done = [_defer(wish) for wish in wishes]
        except exceptions.ConnectorException:
            raise DatabaseError("the queue cannot be written: is the database running?") from None
    return Enqueued(sum(done), len(done) - sum(done))


def _defer(wish: Wish) -> bool:
    try:
        configured(wish).defer(**wish._asdict())
    except exceptions.AlreadyEnqueued:
        return False
    return True
