"""Whose turn it is: every account once, in the order of the settings; or those that are due, the stalest first."""

import random
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sqlalchemy import Engine

from etl.config import AccountSettings
from etl.errors import EtlError, Interrupted, named
from etl.threads import in_background
from etl.warehouse import ledger
from etl.warehouse.connections import OPEN_SECONDS
from etl.warehouse.migrating import require_head
from etl.warehouse.sqlstates import translated

FEW = 5
"""Of so many that wait longest one is taken by chance: other machines that look at the same list take others."""


class Turns:
    """Gives the accounts their turns, by `due` only those whose last run began longer ago, or died.

    No account has a turn after a stop, nor once the database could not be reached by as many accounts in a row as have
    their turns side by side; `left` are those that had none, and `ended` why, None if they are not due.
    """

    def __init__(
        self,
        engine: Engine,
        accounts: Iterable[AccountSettings],
        *,
        jobs: int,
        due: timedelta | None,
        stop: threading.Event,
    ) -> None:
        self.left = {settings.name: settings for settings in accounts}
        self._engine, self._jobs, self._due, self._stop = engine, jobs, due, stop
        self._reason: EtlError | None = None
        self._in_a_row = 0

    @property
    def ended(self) -> EtlError | None:
        """Why nobody has a turn any more."""
        return Interrupted("interrupted") if self._stop.is_set() else self._reason

    def __iter__(self) -> Iterator[AccountSettings]:
        """Yield the account that is next, as the ledger has it then: others are at work on the same list."""
        while self.left and not self.ended and (name := self._next()):
            yield self.left.pop(name)

    def note(self, reason_to_end: EtlError | None) -> None:
        """Note why no other account need try, as an account has found it; one that found no reason refutes it."""
        self._in_a_row = self._in_a_row + 1 if reason_to_end else 0
        self._reason = reason_to_end if self._in_a_row >= self._jobs else self._reason

    def _next(self) -> str | None:
        if self._due is None:
            return next(iter(self.left))
        try:
            stalest = in_background(self._stalest, stop=self._stop, seconds=2 * OPEN_SECONDS, discard=lambda _: None)
        except Exception as error:  # noqa: BLE001 - a border: others are under way, and go on
            self._reason = named(error)
            return None
        return random.choice(stalest) if stalest else None  # noqa: S311 - no secret

    def _stalest(self) -> list[str]:
        with translated(), self._engine.connect() as connection:
            require_head(connection)
            with connection.begin():
                return ledger.due_accounts(connection, list(self.left), self._due or timedelta(), FEW)
