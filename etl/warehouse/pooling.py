"""Whether a session is our own: behind a pooler in transaction mode it is everybody's, and so would its lock be.

A pooler gives its clients numbers of its own to cancel with, so its sessions name another process than the one that
serves them; who is connected directly is done at that. Else other connections hold a server connection each, for a
moment, until they show which mode it is:

    one of them is served by our process, or we by another one      transaction mode
    they are served, and we have to wait                            transaction mode: they hold all that there are
    one of them has to wait, and we are served at once              session mode: ours is not to be had
    the pooler opens new server connections for two of them         session mode: ours was idle, and is not given away
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.errors import DatabaseError
from etl.threads import in_background
from etl.warehouse import settings
from etl.warehouse.connections import POOLED, close, driver_of
from etl.warehouse.sql import statement

T = TypeVar("T")

SERVED_SECONDS = 2.0
MOST_OTHERS = 25  # a pooler keeps twenty server connections unless told otherwise
NEW_ONES = 2  # one may have been opened for somebody else just then


class Served(NamedTuple):
    """By which process of the server, since when (None if that is kept from us), and what time it is there."""

    pid: int
    began: float | None
    now: float


def require_own_session(
    session: Connection, connect: Callable[[], Connection], *, stop: threading.Event
) -> Connection | None:
    """Open a second session if there is a pooler, which may have none to give; raise if it keeps no sessions."""
    mine = _served(session)
    session.rollback()
    if mine.pid == driver_of(session).info.backend_pid:
        return None
    others: list[Connection] = []
    try:
        _require_kept(session, mine, partial(_add, others, connect, stop), stop)
        witness = others.pop() if others else None
        if witness is not None:
            witness.rollback()
            settings.keep(driver_of(witness))
        return witness
    finally:
        for other in others:
            close(other)


def _require_kept(session: Connection, mine: Served, add: Callable[[], Served | None], stop: threading.Event) -> None:
    new = 0
    for _ in range(MOST_OTHERS):
        theirs = add()
        again = _in_time(partial(_served, session), stop)
        if again is None and theirs is None:
            raise psycopg.errors.ConnectionTimeout("it does not answer")
        if again is None or again.pid != mine.pid or (theirs and theirs.pid == mine.pid):
            raise DatabaseError(POOLED)
        session.rollback()
        new += theirs is not None and (theirs.began or 0) > mine.now
        if theirs is None or new == NEW_ONES:
            return


def _add(others: list[Connection], connect: Callable[[], Connection], stop: threading.Event) -> Served | None:
    """Add one more that holds a server connection, unless it would have to wait, or is turned away."""

    def connected() -> tuple[Connection, Served]:
        connection = connect()
        return connection, _served(connection)

    with suppress(DBAPIError, psycopg.Error):
        if found := _in_time(connected, stop, discard=lambda found: close(found[0])):
            others.append(found[0])
            return found[1]
    return None


def _in_time(call: Callable[[], T], stop: threading.Event, discard: Callable[[T], object] = lambda _: None) -> T | None:
    try:
        return in_background(call, stop=stop, seconds=SERVED_SECONDS, discard=discard)
    except TimeoutError:
        return None


def _served(connection: Connection) -> Served:
    """Ask which process serves us, in a transaction that stays open: as long as it is, it serves nobody else."""
    return Served(*connection.execute(statement("served")).one())
