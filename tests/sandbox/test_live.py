"""A world that moves by itself: everything that can happen happens, in an order that a seed decides."""

import time
from datetime import timedelta
from itertools import islice
from typing import Any

from etl.sandbox import World, running
from etl.sandbox.world.live import steps
from tests.sandbox.caller import NOW


def moved(count: int, seed: int = 0) -> tuple[World, list[dict[str, Any]]]:
    """A world so many steps on, and the statuses of its imports before each."""
    world, seen = World(imports=3, records=10, now=NOW), []
    for _ in islice(steps(world, seed=seed), count):
        seen.append({bulk_import.id: bulk_import.item["status"] for bulk_import in world.imports()})
        world.advance(timedelta(seconds=10))
    return world, seen


def test_imports_queue_run_and_finish() -> None:
    """New ones come; each goes from queued to in progress to an end, never back."""
    world, seen = moved(60)
    newest = list(dict.fromkeys(status for statuses in seen if (status := statuses.get(world.imports()[3].id))))

    assert len(world.imports()) >= 10
    assert ["QUEUED", "IN_PROGRESS"] == newest[:2]
    assert newest[-1] in {"COMPLETED", "COMPLETED_WITH_ERRORS"}


def test_counters_move_while_it_runs() -> None:
    """Between start and end the counters grow."""
    world = World(imports=0, now=NOW)
    new = world.add_import(status="QUEUED", records=30)
    done = []
    for _ in islice(steps(world), 6):
        item = world.find_import(new).item
        done.append(item["completed_records"] + item["failed_records"])

    assert [0, 8, 16, 24, 30, 30] == done
    assert world.find_import(new).item["status"].startswith("COMPLETED")


def test_case_fields_move_and_come_back() -> None:
    """Entries are renamed, added, removed and restored; after a full round all is as it was."""
    world = World(imports=0, now=NOW)
    states = [repr([field | {"updated_at": ""} for field in world.case_fields()])]
    states += [repr([field | {"updated_at": ""} for field in world.case_fields()]) for _ in islice(steps(world), 30)]

    assert len(set(states)) == 10
    assert states[0] == states[-1]


def test_same_seed_same_moves() -> None:
    """Two worlds with one seed move alike."""
    assert moved(25)[0].imports() == moved(25)[0].imports()


def test_a_world_without_fields_moves_too() -> None:
    """What is not there cannot be renamed, and that is no reason to stop."""
    world = World(imports=2, fields=0, now=NOW)

    assert 31 == len(list(islice(steps(world), 31)))


def test_it_moves_while_it_is_served() -> None:
    """With `live` the served world changes by itself, and stands still when the block ends."""
    with running(imports=1, records=2, live=0.01) as sandbox:
        deadline = time.monotonic() + 5
        while len(sandbox.world.imports()) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    after = sandbox.world.imports()
    time.sleep(0.05)

    assert len(after) >= 4
    assert after == sandbox.world.imports()
