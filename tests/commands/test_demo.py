"""`demo`: the first look, at the first time and at those that follow."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from etl.commands.demo.world import demo_world, go_on_once
from etl.sandbox import World
from tests import postgres

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
COMMAND = [sys.executable, "-m", "etl", "demo"]
WIDTH = 80


def demo(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What the command came to, in a terminal that is not wide."""
    variables = os.environ | {"COLUMNS": str(WIDTH)} | environment
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, env=variables)


def counts(found: "subprocess.CompletedProcess[str]") -> Any:
    """What the sync counted."""
    return json.loads(found.stdout)["accounts"]["sandbox"]


def test_first_look(database_url: str) -> None:
    """One screen: what was synced, the history, why records failed, a tree, and how to go on."""
    found = demo(DATABASE_URL=database_url)
    look, _, advice = found.stdout.partition("To go on")

    assert found.returncode == 0
    assert not found.stderr
    assert "invented" in look
    assert "The newest 8 of 62 imports" in look
    assert "COMPLETED_WITH_ERRORS" in look
    assert "@example.com" in look
    assert "│   ├── 13 inch" in look
    assert "What has changed" not in look
    assert max(map(len, look.splitlines())) <= WIDTH
    assert all(word in advice for word in ("TALKDESK_ACCOUNT", "sync -q", "query"))


def test_second_look(database_url: str) -> None:
    """The world has gone on a little, and the screen says how."""
    first = counts(demo("--json", DATABASE_URL=database_url))
    found = demo(DATABASE_URL=database_url)
    third = counts(demo("--json", DATABASE_URL=database_url))

    assert first["imports"]["inserted"] == 61
    assert found.returncode == 0
    assert "What has changed since the demo before" in found.stdout
    assert "new → IN_PROGRESS" in found.stdout
    assert "Billing question → Billing and payments" in found.stdout
    assert third["imports"] == {"read": 64, "inserted": 1, "updated": 1, "unchanged": 62, "removed": 0, "rejected": 0}


def test_embedded(session_folder: Path) -> None:
    """Nothing has to be configured, or to be there: the database is made on the way."""
    folder = session_folder / uuid4().hex[:8]
    folder.mkdir()
    folder.chmod(0o711)
    try:
        found = demo("--json", TALKDESK_ETL_HOME=str(folder / "home"))
    finally:
        postgres.remove(folder)

    assert found.returncode == 0
    assert counts(found)["case_fields"]["inserted"] == 12


def test_schema_not_there(server_url: str) -> None:
    """A warehouse of one's own is not migrated behind one's back."""
    found = demo(DATABASE_URL=server_url)

    assert found.returncode == 6
    assert "talkdesk-etl migrate" in found.stderr


# The world


def remembered(world: World) -> dict[str, datetime]:
    """What a warehouse knows of the imports after a sync."""
    return {each.id: datetime.fromisoformat(each.item["created_at"]) for each in world.imports()}


def items(world: World) -> dict[str, Any]:
    """The imports of a world and their records."""
    return {each.id: each for each in world.imports()}


@pytest.fixture(params=[timedelta(seconds=2), timedelta(hours=5), timedelta(days=9), timedelta(days=40)])
def pause(request: pytest.FixtureRequest) -> Iterator[timedelta]:
    """Time between two demos."""
    yield request.param  # noqa: PT022 - mypy knows no fixture that returns a parameter


def test_world_goes_on(pause: timedelta) -> None:
    """What had ended stays as it was, what was under way has ended, one import is new, and the old are forgotten."""
    known: dict[str, datetime] = {}
    before: dict[str, Any] = {}
    for number in range(6):
        now = NOW + number * pause
        world = demo_world(known, now=now)
        if not known:
            go_on_once(world, at=now + timedelta(seconds=1))
        after = items(world)
        ended = {id_ for id_, each in before.items() if each.item["status"] not in {"QUEUED", "IN_PROGRESS"}}

        assert all(after[id_] == before[id_] for id_ in ended & after.keys())
        assert all(each.created_at > now - timedelta(days=20, seconds=1) for each in after.values())
        assert number == 0 or len(after.keys() - before.keys()) == 1
        known |= remembered(world)
        before = after


def test_world_of_the_first_demo() -> None:
    """A warehouse that knows other imports alone is at the beginning; the documents ask for a file of its own."""
    world = demo_world({"another": NOW}, now=NOW)

    assert items(World(now=NOW.replace(microsecond=0))).items() <= items(world).items()
    assert [each.item["filename"] for each in world.imports()].count("agents.csv") == 1
