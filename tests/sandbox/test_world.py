"""What the stand-in knows: determined by its seed, believable, and changed as told."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.sandbox import World
from etl.sandbox.world.catalogue import siblings

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LAPTOP = ["001", "001001"]


@pytest.fixture
def world() -> World:
    """Twelve imports on a clock that stands still."""
    return World(imports=12, records=8, now=NOW)


def field(world: World, key: str) -> Any:
    """The case field with that key."""
    return next(field for field in world.case_fields() if field["key"] == key)


def label(world: World, key: str, path: list[str]) -> str:
    """The label of an entry."""
    entries = siblings(field(world, key), path)
    entry = next(entry for entry in entries if entry["key"] == path[-1])
    return str(entry.get("lable") or entry["value"])


def test_same_seed_same_world() -> None:
    """Seed and instant decide everything, ids included."""
    one, other = World(seed=7, now=NOW), World(seed=7, now=NOW)

    assert one.imports() == other.imports()
    assert one.case_fields() == other.case_fields()


def test_other_seed_other_world() -> None:
    """Another seed gives other ids."""
    assert World(seed=7, now=NOW).imports()[0].id != World(seed=8, now=NOW).imports()[0].id


def test_world_is_believable() -> None:
    """Every type and status occurs, about one record in twenty failed, and nobody real is named."""
    imports = World(now=NOW).imports()
    records = [record for bulk_import in imports for record in bulk_import.records]
    failed = [record for record in records if record["status"] == "FAILED"]

    assert {"CREATE_USERS", "UPDATE_USERS", "DELETE_USERS", "EXPORT_USERS"} == {i.item["type"] for i in imports}
    assert 7 == len({i.item["status"] for i in imports})
    assert all(re.fullmatch("[0-9a-f]{24}", i.id) for i in imports)
    assert 0.03 < len(failed) / len(records) < 0.08
    assert all(record["errors"][0]["message"] for record in failed)
    assert all(re.fullmatch(r"[a-z.]+\d+@example\.com", r["data"]["Current Email"])
               for r in records if "Current Email" in r["data"])  # fmt: skip


def test_imports_reach_back_over_what_is_kept() -> None:
    """The newest is minutes old, the oldest between 19 and 20 days, and the list is newest first."""
    created = [bulk_import.created_at for bulk_import in World(now=NOW).imports()]

    assert sorted(created, reverse=True) == created
    assert timedelta(minutes=2) == NOW - created[0]
    assert timedelta(days=19) < NOW - created[-1] < timedelta(days=20)


def test_counters_agree_with_records() -> None:
    """What an import counts is what its records say; an export counts nothing."""
    for bulk_import in World(now=NOW).imports():
        item, seen = bulk_import.item, Counter(record["status"] for record in bulk_import.records)

        assert len(bulk_import.records) == item.get("total_records", 0)
        assert seen["COMPLETED"] == item.get("completed_records", 0)
        assert seen["FAILED"] == item.get("failed_records", 0)


def test_sizes_are_parameters() -> None:
    """A world has as many imports and fields as asked, and no import more records."""
    world = World(imports=130, records=3, fields=2, now=NOW)

    assert 130 == len(world.imports())
    assert 3 == max(len(bulk_import.records) for bulk_import in world.imports())
    assert 2 == len(world.case_fields())


@pytest.mark.parametrize("imports", [0, 1, 2, 3])
def test_tiny_worlds(imports: int) -> None:
    """A world may be all but empty."""
    assert imports == len(World(imports=imports, records=0, fields=0, now=NOW).imports())


def test_case_fields_are_believable() -> None:
    """Twelve fields: flat ones, three levels, no options, an inactive one, and two languages."""
    fields = World(now=NOW).case_fields()
    leaf = siblings(field(World(now=NOW), "dependent_field1"), [*LAPTOP, "001001001"])[0]

    assert 12 == len(fields)
    assert {"key": "001", "value": "Billing question"} == fields[0]["dict_list"][0]
    assert {"key": "001001001", "lable": "13 inch", "children": None} == leaf
    assert "dict_list" not in fields[6]
    assert ["drop_down5"] == [field["key"] for field in fields if not field["active"]]
    assert "Dúvida sobre a fatura" == label(World(now=NOW), "drop_down2", ["001"])


def test_old_imports_are_forgotten(world: World) -> None:
    """After twenty days an import is neither listed nor found."""
    newest = world.imports()[0].id

    world.advance(timedelta(days=19, hours=23))
    assert [newest] == [bulk_import.id for bulk_import in world.imports()][:1]

    world.advance(timedelta(hours=2))
    assert [] == world.imports()
    with pytest.raises(KeyError):
        world.find_import(newest)


def test_clock_runs_unless_told_to_stand_still() -> None:
    """Without an instant the world has the machine's clock, plus what it was advanced by."""
    world = World(imports=1)
    world.advance(timedelta(days=1))

    assert timedelta(days=1) <= world.now() - datetime.now(UTC) + timedelta(seconds=5)


def test_an_import_runs_its_course(world: World) -> None:
    """Queued, started, worked on, finished: status, counters and instants move together."""
    new = world.add_import(status="QUEUED", records=10)
    world.advance(timedelta(minutes=1))
    world.start_import(new)
    assert "IN_PROGRESS" == world.find_import(new).item["status"]

    world.work_on_import(new, lines=4, failure_rate=1)
    item = world.find_import(new).item
    assert (10, 0, 4) == (item["total_records"], item["completed_records"], item["failed_records"])

    world.finish_import(new)
    item = world.find_import(new).item
    assert (10, 6, 4) == (item["total_records"], item["completed_records"], item["failed_records"])
    assert "COMPLETED_WITH_ERRORS" == item["status"]
    assert ("2026-11-20T12:00:00.000Z", "2026-11-20T12:01:00.000Z") == (item["created_at"], item["updated_at"])


def test_a_canceled_import_says_who_and_when(world: World) -> None:
    """What was not done when it was canceled stays undone."""
    new = world.add_import(status="IN_PROGRESS", records=10)
    world.cancel_import(new, user="u1")

    item, records = world.find_import(new).item, world.find_import(new).records
    assert ("CANCELED", "u1", "2026-11-20T12:00:00.000Z") == (
        item["status"], item["canceled_by"], item["canceled_at"]
    )  # fmt: skip
    assert Counter(COMPLETED=5, CANCELED=5) == Counter(record["status"] for record in records)


def test_an_added_import_has_what_it_was_given(world: World) -> None:
    """Keys go into the item as they are, and its age decides how long it is kept."""
    new = world.add_import(status="PAUSED", age=timedelta(days=3), id="a/b", type="DELETE_USERS", odd=[1])

    item = world.imports()[0].item
    assert "a/b" == new == item["id"]
    assert ("PAUSED", [1], "2026-11-17T12:00:00.000Z") == (item["status"], item["odd"], item["created_at"])
    assert ["Current Email"] == list(world.imports()[0].records[0]["data"])


def test_anything_can_be_put(world: World) -> None:
    """An item without an id, one that is no object, records that are no objects."""
    world.put_import({"status": "QUEUED"}, ["text", None])
    world.put_import(None)

    assert [None, {"status": "QUEUED"}] == [bulk_import.item for bulk_import in world.imports()[:2]]


def test_what_was_handed_out_stays_as_it_was(world: World) -> None:
    """A change makes new things, so whoever still reads the old ones sees one consistent state."""
    first, fields = world.imports()[0], world.case_fields()
    with world.changing_import(first.id) as item:
        item["filename"] = "other.csv"
    world.rename_entry("drop_down1", ["001"], "Other label")

    assert "other.csv" != first.item["filename"]
    assert "other.csv" == world.find_import(first.id).item["filename"]
    assert "Billing question" == fields[0]["dict_list"][0]["value"]


def test_a_failed_change_changes_nothing(world: World) -> None:
    """An error in the block leaves the import alone."""
    first = world.imports()[0]
    with pytest.raises(ZeroDivisionError), world.changing_import(first.id) as item:
        item["filename"] = 1 / 0

    assert first == world.imports()[0]


def test_records_are_replaced_and_imports_forgotten(world: World) -> None:
    """Records change under a finished import; an import goes before its time."""
    first, second, *_ = world.imports()
    world.replace_records(first.id, [{"line": 1}])
    world.forget(second.id)

    assert ({"line": 1},) == world.find_import(first.id).records
    assert second.id not in [bulk_import.id for bulk_import in world.imports()]


def test_entries_are_renamed_removed_and_restored(world: World) -> None:
    """A removed entry takes its descendants along and comes back to its place."""
    before = field(world, "dependent_field1")["dict_list"]
    world.rename_entry("dependent_field1", LAPTOP, "Notebook")
    assert "Notebook" == label(world, "dependent_field1", LAPTOP)

    world.rename_entry("dependent_field1", LAPTOP, "Laptop")
    world.remove_entry("dependent_field1", LAPTOP)
    assert ["001002", "001003"] == [e["key"] for e in siblings(field(world, "dependent_field1"), LAPTOP)]

    world.restore_entry("dependent_field1", LAPTOP)
    assert before == field(world, "dependent_field1")["dict_list"]
    assert "2026-11-20T12:00:00Z" == field(world, "dependent_field1")["updated_at"]


def test_entries_are_added_anywhere(world: World) -> None:
    """At the root, below a leaf, and in a field that had no options."""
    world.add_entry("drop_down1", ["006"], "Praise")
    world.add_entry("dependent_field1", [*LAPTOP, "001001001", "x"], "Silver")
    world.add_entry("text1", ["001"], "First")

    assert "Praise" == label(world, "drop_down1", ["006"])
    assert "Silver" == label(world, "dependent_field1", [*LAPTOP, "001001001", "x"])
    assert "First" == label(world, "text1", ["001"])


def test_fields_are_renamed_removed_and_restored(world: World) -> None:
    """A removed field comes back to its place, as it was."""
    world.rename_field("drop_down1", "Reason")
    before = world.case_fields()
    world.remove_field("drop_down1")
    assert "drop_down2" == world.case_fields()[0]["key"]

    world.restore_field("drop_down1")
    assert before == world.case_fields()
    assert "Reason" == before[0]["name"]


@pytest.mark.parametrize("path", [["009"], ["001", "009"], ["009", "001"]])
def test_an_unknown_path_is_an_error(world: World, path: list[str]) -> None:
    """A test that asks for an entry that is not there hears of it."""
    with pytest.raises(KeyError):
        world.remove_entry("dependent_field1", path)
