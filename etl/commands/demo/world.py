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
from etl.sandbox.world.items import Item
from etl.sandbox.world.live import CHANGES, TYPES
from etl.sandbox.world.people import hex_id

ACCOUNT = "sandbox"
UNDER_WAY = frozenset({"QUEUED", "IN_PROGRESS"})
FAILURE_RATE = 0.1
RECORDS = range(12, 40)
AGE = timedelta(days=2)
PROMOTED = 3
PROMOTIONS = hex_id(Random("promotions"))  # noqa: S311 - the same in every demo


def demo_world(known: Mapping[str, datetime], *, now: datetime) -> World:
    """Return the world as it was in the demos before, `known` by the imports they left, and moved on to now."""
    now = now.replace(microsecond=0)  # the API tells milliseconds: whole seconds come back from it unharmed
    newest = World(now=now).imports()[0]
    if newest.id not in known:
        return _begun(now)
    world = _begun(known[newest.id].astimezone(UTC) + (now - newest.created_at))
    go_on_once(world, at=known.get(PROMOTIONS, now))
    for number in count(1):
        at = known.get(_id(number))
        _go_on(world, number, at=at or now)
        if at is None:
            return world
    raise AssertionError


def _begun(now: datetime) -> World:
    """Return a new world with what the documents' questions ask for: a file `agents.csv` of which some rows failed."""
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


def go_on_once(world: World, *, at: datetime) -> None:
    """Rename an option and some users after the first sync of the first demo, so that there is a history at once."""
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as the API tells it, so that it comes back unharmed
    world.advance(max(at - world.now(), timedelta(0)))
    world.rename_entry("drop_down3", ["004"], "Urgent, same day")
    world.add_import(id=PROMOTIONS, type="UPDATE_USERS", filename="promotions.csv", records=0, status="IN_PROGRESS")
    world.replace_records(PROMOTIONS, [_promotion(line, user) for line, user in enumerate(_agents(world), 2)])
    world.finish_import(PROMOTIONS)


def _agents(world: World) -> list[Item]:
    """Return the first of those whom an import has made: they have a phone number."""
    return [user for user in world.users() if user.get("external_phone_number")][:PROMOTED]


def _promotion(line: int, user: Item) -> Item:
    cells = {"Current Email": user["email"], "Full Name": f"{user['name']} (team lead)", "Email": user["email"]}
    return {"id": hex_id(Random(user["id"])), "line": line, "status": "COMPLETED", "data": cells}  # noqa: S311


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
