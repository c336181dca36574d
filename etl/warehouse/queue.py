"""How much waits for the workers, as far as there is a queue in the warehouse's database."""

from typing import NamedTuple

from sqlalchemy import Connection

from etl.warehouse.sql import statement


class Queue(NamedTuple):
    """Syncs that wait, are under way, or failed in the last day; `oldest_seconds` is the longest wait, None if none."""

    waiting: int
    doing: int
    failed: int
    oldest_seconds: float | None

    def in_words(self) -> str:
        """Return it as people say it."""
        oldest = "" if self.oldest_seconds is None else f" (the oldest for {self.oldest_seconds:,.0f} s)"
        return f"{self.waiting:,} waiting{oldest}, {self.doing:,} under way, {self.failed:,} failed"


def read_queue(connection: Connection) -> Queue | None:
    """Read it; None if there is no queue, or none that this role may look at."""
    if not connection.scalar(statement("queue_there")):
        return None
    found = connection.execute(statement("queue")).one()
    oldest = None if found.oldest_seconds is None else round(float(found.oldest_seconds), 1)
    return Queue(found.waiting, found.doing, found.failed, oldest)
