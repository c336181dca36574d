"""Twenty days of made-up imports: every type and status; about one record in twenty failed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, cycle, islice
from random import Random

from etl.sandbox.world import moves
from etl.sandbox.world.moves import BulkImport
from etl.sandbox.world.people import hex_id

SPAN = timedelta(days=19, hours=12)
# From the newest back. Types and endings have no common divisor, so every type meets every ending in time.
UNDER_WAY = (("QUEUED", timedelta(minutes=2)), ("IN_PROGRESS", timedelta(minutes=7)))
ENDINGS = (
    "COMPLETED",
    "COMPLETED_WITH_ERRORS",
    "COMPLETED",
    "CANCELED",
    "COMPLETED_WITH_ERRORS",
    "SUCCESSFUL",
    "FAILED",
)
TYPES = ("CREATE_USERS", "UPDATE_USERS", "UPDATE_USERS", "DELETE_USERS", "EXPORT_USERS")


def past_imports(rng: Random, *, count: int, records: int, now: datetime) -> list[BulkImport]:
    """So many imports, newest first, none with more records, spread over what the source still knows."""
    users = [hex_id(rng) for _ in range(5)]
    return [
        moves.lived(_queued(rng, type_, records, rng.choice(users), now - age), rng, status=status, now=now)
        for type_, (status, age) in zip(cycle(TYPES), _statuses(rng, count), strict=False)
    ]


def _statuses(rng: Random, count: int) -> Iterator[tuple[str, timedelta]]:
    finished = max(count - len(UNDER_WAY), 1)
    ages = (SPAN * (number + rng.random()) / finished for number in range(finished))
    hour = timedelta(hours=1)
    past = ((status, max(age, hour)) for status, age in zip(cycle(ENDINGS), ages, strict=False))
    return islice(chain(UNDER_WAY, past), count)


def _queued(rng: Random, type_: str, records: int, user: str, created_at: datetime) -> BulkImport:
    size = rng.randint((records + 3) // 4, records)
    return moves.queued(rng, type_=type_, records=size, user=user, created_at=created_at)
