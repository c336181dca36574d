"""The invented world of the demo, which goes on from one demo to the next.

The warehouse is its memory: an import that every such world begins with tells when this one began, and each demo
adds one whose id follows from its number and whose `created_at` is the demo's own instant.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from etl.sandbox import World
from etl.sandbox.world.live import CHANGES, TYPES
from etl.sandbox.world.people import hex_id

ACCOUNT = "sandbox"
UNDER_WAY = frozenset({"QUEUED", "IN_PROGRESS"})
FAILURE_RATE = 0.1
RECORDS = range(12, 40)
AGE = timedelta(days=2)


def demo_world(known: Mapping[str, datetime], *, now: datetime) -> World:
    """Return the world as it was in the demos before, `known` by the imports they left, and moved on to now."""
    now = now.replace(microsecond=0)  # the API tells milliseconds: whole seconds come back from it unharmed
    newest = World(now=now).imports()[0]
    if newest.id not in known:
        return _begun(now)
    world = _begun(known[newest.id].astimezone(UTC) + (now - newest.created_at))
    go_on_once(world)
    for number in count(1):
        at = known.get(_id(number))
        _go_on(world, number, at=at or now)
        if at is None:
            return world
    raise AssertionError


def _begun(now: datetime) -> World:
    """Return a new world with what the README's questions ask for: a file `agents.csv` of which some rows failed."""
    world = World(now=now)
    world.add_import(
        id=hex_id(Random("agents")),  # noqa: S311 - see above
        type="UPDATE_USERS",
        filename="agents.csv",
        records=30,
        status="COMPLETED_WITH_ERRORS",
        age=AGE,
    )
    return world


def go_on_once(world: World) -> None:
    """Rename an option after the first sync of the first demo, so that there is a history at once."""
    world.rename_entry("drop_down3", ["004"], "Urgent, same day")


def _go_on(world: World, number: int, *, at: datetime) -> None:
    """Move on in time: what was under way has ended, a new import runs, and an option has changed."""
    world.advance(max(at - world.now(), timedelta(0)))
    for bulk_import in world.imports():
        if bulk_import.item["status"] in UNDER_WAY:
            world.work_on_import(bulk_import.id, lines=len(bulk_import.records), failure_rate=FAILURE_RATE)
            world.finish_import(bulk_import.id)
    size = Random(number).choice(RECORDS)  # noqa: S311 - believable data needs a seed, not secrecy
    world.add_import(id=_id(number), type=TYPES[number % len(TYPES)], records=size, status="IN_PROGRESS")
    with suppress(LookupError):
        CHANGES[(number - 1) % len(CHANGES)](world)


def _id(number: int) -> str:
    return hex_id(Random(number))  # noqa: S311 - see above
