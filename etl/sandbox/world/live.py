"""A world that moves by itself: imports queue, run and finish; options are renamed, removed and added."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count, cycle
from random import Random

from etl.sandbox.world.moves import BulkImport
from etl.sandbox.world.world import World

Move = Callable[[World], object]

STEPS_PER_IMPORT = 5
STEPS_PER_CHANGE = 3
LINES_PER_STEP = 8
TYPES = ("CREATE_USERS", "UPDATE_USERS", "DELETE_USERS", "EXPORT_USERS")
CHANGES: tuple[Move, ...] = (
    lambda world: world.rename_entry("drop_down1", ["001"], "Billing and payments"),
    lambda world: world.add_entry("drop_down2", ["006"], "Devolução"),
    lambda world: world.remove_entry("dependent_field1", ["001", "001003"]),
    lambda world: world.rename_field("drop_down3", "Urgency"),
    lambda world: world.rename_entry("dependent_field1", ["001", "001001", "001001001"], "13.6 inch"),
    lambda world: world.restore_entry("dependent_field1", ["001", "001003"]),
    lambda world: world.rename_entry("drop_down1", ["001"], "Billing question"),
    lambda world: world.remove_entry("drop_down2", ["006"]),
    lambda world: world.rename_field("drop_down3", "Priority"),
    lambda world: world.rename_entry("dependent_field1", ["001", "001001", "001001001"], "13 inch"),
)


def steps(world: World, *, seed: int = 0) -> Iterator[None]:
    """The world has moved on by one step each time this is asked for the next."""
    rng = Random(seed)
    types, changes = cycle(TYPES), cycle(CHANGES)
    for step in count():
        _move_imports(world)
        if step % STEPS_PER_IMPORT == 0:
            world.add_import(status="QUEUED", type=next(types), records=rng.randint(10, 40))
        if step % STEPS_PER_CHANGE == 0:
            with suppress(LookupError):  # whoever holds this world may have changed it too
                next(changes)(world)
        yield


@contextmanager
def moving(world: World, *, every: float) -> Iterator[None]:
    """The world moves one step in so many seconds until the block ends."""
    stop = threading.Event()

    def move() -> None:
        moves = steps(world)
        while not stop.wait(every):
            next(moves)

    thread = threading.Thread(target=move, name="sandbox-live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _move_imports(world: World) -> None:
    for bulk_import in world.imports():
        with suppress(LookupError):  # it may be forgotten by now
            _move_import(world, bulk_import)


def _move_import(world: World, bulk_import: BulkImport) -> None:
    item = bulk_import.item
    if item["status"] == "QUEUED":
        world.start_import(bulk_import.id)
    elif item["status"] == "IN_PROGRESS":
        if item.get("completed_records", 0) + item.get("failed_records", 0) < len(bulk_import.records):
            world.work_on_import(bulk_import.id, lines=LINES_PER_STEP)
        else:
            world.finish_import(bulk_import.id)
