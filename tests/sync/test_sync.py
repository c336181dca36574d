"""The sync: after it the warehouse is level with the source, and another one changes nothing."""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.sandbox.world.live import moving
from etl.sync.outcome import SyncOutcome
from etl.warehouse import embedded
from etl.warehouse.migrating import migrate
from tests import account, postgres
from tests.account import IMPORT, NOTHING, RECORDS, RESOURCES, Account, changes
from tests.expected import require_level

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.every_server

OVERLAPS = """
    SELECT 1 FROM talkdesk.{table}_versions AS v JOIN talkdesk.{table}_versions AS w USING (account, {keys})
    WHERE v.ctid <> w.ctid AND tstzrange(v.valid_from, v.valid_to) && tstzrange(w.valid_from, w.valid_to)
    UNION ALL SELECT 1 FROM talkdesk.{table}_versions WHERE valid_from >= valid_to
"""
OPEN_VERSIONS = "SELECT {keys} FROM talkdesk.{table}_versions WHERE valid_to IS NULL ORDER BY {keys}"
LIVE_ROWS = "SELECT {keys} FROM talkdesk.{table} WHERE {removed} IS NULL ORDER BY {keys}"
LOADED_AT = "SELECT records_loaded_at FROM talkdesk.imports WHERE import_id = %s"


# Level with the source


def test_the_first_sync_copies_everything(acme: Account) -> None:
    """Every column of every row is what the source says."""
    outcome = acme.sync()

    require_level(acme)
    assert ("succeeded", 0) == (outcome.outcome, outcome.exit_code)
    assert {acme.name} == set(acme.column("SELECT account FROM talkdesk.imports"))


def test_the_first_sync_counts(acme: Account) -> None:
    """What was read was inserted, and as many rows stand there."""
    outcome = acme.sync()

    for resource in RESOURCES:
        rows = acme.size(resource)
        counts = {"read": rows, **NOTHING, "inserted": rows, "unchanged": 0}
        assert counts == outcome.accounts[0].resources[resource].counts.to_json()


def test_a_tree_hangs_together(synced: Account) -> None:
    """Each entry's parent is the entry whose path is one key shorter."""
    entries = synced.rows("SELECT * FROM talkdesk.case_field_entries")
    by_path = {(entry["field_key"], *entry["path"]): entry["entry_id"] for entry in entries}

    assert {1, 2, 3} == {entry["depth"] for entry in entries}
    for entry in entries:
        assert entry["parent_id"] == by_path.get((entry["field_key"], *entry["path"][:-1]))


def test_ids_of_entries_are_the_same_everywhere(synced: Account, server: postgres.Server) -> None:
    """Another account in another warehouse derives the same ids from the same paths."""
    ids = "SELECT entry_id FROM talkdesk.case_field_entries ORDER BY 1"
    with postgres.clone(server) as url, account.running(url, name="zenith") as zenith:
        zenith.sync()

        assert synced.column(ids) == zenith.column(ids)


@pytest.mark.parametrize("table", ["imports", "case_fields", "case_field_entries"])
def test_everything_has_one_version(synced: Account, table: str) -> None:
    """What was seen once has one version, which is open and began when the row did."""
    rows, versions = (synced.rows(f"SELECT * FROM talkdesk.{name}") for name in (table, f"{table}_versions"))  # noqa: S608
    clock = ("valid_from", "valid_to")
    said = [{name: value for name, value in version.items() if name not in clock} for version in versions]

    assert len(rows) == len(said)
    assert all({name: row[name] for name in said[0]} in said for row in rows)
    assert {(row["first_seen_at"], None) for row in rows} == {(row["valid_from"], row["valid_to"]) for row in versions}


# Idle


def test_the_second_sync_changes_nothing(synced: Account) -> None:
    """The counts say so, and the rows, down to our own clock."""
    before = synced.everything()
    outcome = synced.sync()
    after = synced.everything()

    assert {} == changes(outcome)
    assert [] == [name for name in before if before[name] != after[name] and not name.startswith("sync_run")]


def test_the_second_sync_asks_for_no_finished_records(synced: Account) -> None:
    """Only what still runs is looked at again."""
    synced.sync()
    under_way = {one.id for one in synced.world.imports() if one.item["status"] in {"QUEUED", "IN_PROGRESS"}}

    assert under_way == set(synced.asked(RECORDS))
    assert [] == synced.asked(IMPORT)


@pytest.mark.slow
def test_the_second_sync_writes_next_to_nothing(home: Path) -> None:
    """Under 40 kB of WAL after a checkpoint, which logs whole pages; 400 kB where it looks at imports under way."""
    url = embedded.start(home)
    migrate(url)
    with account.running(url, imports=130, records=40, per_page=50) as acme:
        acme.sync()
        outcome, written = wal_of_a_sync(acme)
        assert 0 < outcome.accounts[0].resources["import_records"].counts.unchanged
        assert 400_000 > written

        for one in acme.world.imports():
            if one.item["status"] in {"QUEUED", "IN_PROGRESS"}:
                acme.world.finish_import(one.id)
        acme.sync()
        outcome, written = wal_of_a_sync(acme)
        assert 0 == outcome.accounts[0].resources["import_records"].counts.read
        assert 40_000 > written


@pytest.mark.slow
def test_a_dry_run_writes_next_to_nothing(home: Path) -> None:
    """Whatever there is to load: the catalogue learns of two temporary tables, after a checkpoint by whole pages."""
    url = embedded.start(home)
    migrate(url)
    with account.running(url, imports=130, records=40, per_page=50) as acme:
        outcome, written = wal_of_a_sync(acme, dry_run=True)
        assert 2_000 < outcome.accounts[0].resources["import_records"].counts.inserted
        assert 400_000 > written

        acme.sync()
        acme.change("UPDATE talkdesk.import_records SET status = 'damaged'")
        outcome, written = wal_of_a_sync(acme, full=True, dry_run=True)
        assert 1_500 < outcome.accounts[0].resources["import_records"].counts.updated
        assert 400_000 > written


def wal_of_a_sync(acme: Account, **options: Any) -> tuple[SyncOutcome, int]:
    """What a sync came to, and how many bytes of WAL it wrote."""
    acme.command("VACUUM")
    acme.command("CHECKPOINT")
    before = acme.value("SELECT pg_current_wal_insert_lsn()")
    outcome = acme.sync(**options)
    return outcome, int(acme.value("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", before))


# Imports that move


def test_an_import_from_queue_to_end(synced: Account) -> None:
    """Every state that a sync saw is a version, and the records are looked at until the import has ended."""
    new = synced.world.add_import(status="QUEUED", records=7)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: synced.world.start_import(new),
        lambda: synced.world.work_on_import(new, lines=3, failure_rate=1),
        lambda: synced.world.finish_import(new),
        lambda: None,
    ]
    asked = []
    for step in steps:
        step()
        assert synced.sync().exit_code == 0
        require_level(synced)
        asked.append(new in synced.asked(RECORDS))

    versions = "SELECT status, failed_records FROM talkdesk.imports_versions WHERE import_id = %s ORDER BY valid_from"
    states = [tuple(row.values()) for row in synced.rows(versions, new)]
    assert [("QUEUED", 0), ("IN_PROGRESS", 0), ("IN_PROGRESS", 3), ("COMPLETED_WITH_ERRORS", 3)] == states
    assert [True, True, True, True, False] == asked


def test_counts_of_what_appears_and_moves(synced: Account) -> None:
    """A new import is inserted, a changed one updated, with the records that differ; nothing else."""
    new = synced.world.add_import(status="QUEUED", records=7)
    appeared = synced.sync()
    synced.world.work_on_import(new, lines=3)
    moved = synced.sync()

    assert {"imports": {"inserted": 1}, "import_records": {"inserted": 7}} == changes(appeared)
    assert {"imports": {"updated": 1}, "import_records": {"updated": 3}} == changes(moved)


@pytest.mark.parametrize("status", ["COMPLETED", "COMPLETED_WITH_ERRORS", "SUCCESSFUL", "CANCELED", "FAILED"])
def test_statuses_that_end(acme: Account, status: str) -> None:
    """The records of an import that has ended are loaded once and for all."""
    new = acme.world.add_import(status=status, records=3)
    acme.sync()
    acme.sync()

    assert new not in acme.asked(RECORDS)
    assert loaded_at(acme, new) is not None


def test_a_status_of_tomorrow(acme: Account) -> None:
    """An unknown word is stored, and is no proof that nothing will change."""
    new = acme.world.add_import(status="PAUSED", records=3)
    acme.sync()
    acme.sync()

    assert new in acme.asked(RECORDS)
    assert "PAUSED" == acme.value("SELECT status FROM talkdesk.imports WHERE import_id = %s", new)


def loaded_at(acme: Account, import_id: str) -> datetime | None:
    found: datetime | None = acme.value(LOADED_AT, import_id)
    return found


def a_finished_import(acme: Account) -> str:
    """One that has records and errors, and more than a page of them."""
    return acme.world.add_import(status="COMPLETED_WITH_ERRORS", records=12)


def test_a_changed_import_is_read_again(acme: Account) -> None:
    """Whatever has changed of a finished import, its records may have, too."""
    known = a_finished_import(acme)
    acme.sync()
    before = loaded_at(acme, known)
    with acme.world.changing_import(known) as item:
        item["filename"] = "another.csv"
    acme.sync()

    assert known in acme.asked(RECORDS)
    after = loaded_at(acme, known)
    assert before is not None
    assert after is not None
    assert before < after


def test_a_changed_import_is_unloaded_until_its_records_are_in(acme: Account) -> None:
    """If the records cannot be had, the row says so, what was stored stays, and the next sync tries again."""
    known = a_finished_import(acme)
    acme.sync()
    acme.world.replace_records(known, acme.world.find_import(known).records[:1])
    with acme.world.changing_import(known) as item:
        item["filename"] = "another.csv"
    acme.sandbox.faults.use(f"502,path=/{known}/records")
    outcome = acme.sync()

    assert 8 == outcome.exit_code
    assert [("import_records", known, 3)] == [(f.resource, f.import_id, f.exit_code) for f in outcome.failures]
    assert loaded_at(acme, known) is None
    assert 12 == acme.size("import_records", known)
    acme.sandbox.faults.clear()
    assert 0 == acme.sync().exit_code
    assert loaded_at(acme, known) is not None
    assert 1 == acme.size("import_records", known)


def test_records_are_replaced_as_a_whole(acme: Account) -> None:
    """If the second page cannot be read, the first one changes nothing."""
    known = a_finished_import(acme)
    acme.sync()
    before = acme.everything()["import_records"]
    acme.world.replace_records(known, [{"id": str(number)} for number in range(12)])
    acme.sandbox.faults.use(f"502,path=/{known}/records.*page=2")
    assert 8 == acme.sync(full=True).exit_code
    assert before == acme.everything()["import_records"]

    acme.sandbox.faults.clear()
    outcome = acme.sync(full=True)
    assert {"import_records": {"inserted": 12, "removed": 12}} == changes(outcome)


# Imports without records


def test_an_import_without_a_link_has_no_records(acme: Account) -> None:
    """An export is loaded as soon as it has ended, and nothing is asked."""
    ended = acme.world.add_import(type="EXPORT_USERS", status="COMPLETED")
    under_way = acme.world.add_import(type="EXPORT_USERS", status="IN_PROGRESS")
    outcome = acme.sync()

    assert 0 == outcome.exit_code
    assert not {ended, under_way} & set(acme.asked(RECORDS))
    assert loaded_at(acme, ended) is not None
    assert loaded_at(acme, under_way) is None


@pytest.mark.parametrize("links", [None, {}, {"records": None}, {"records": {}}, {"records": {"href": None}}])
def test_links_that_lead_nowhere(acme: Account, links: object) -> None:
    """Every way to have no link is normal."""
    acme.world.put_import({"id": "i1", "status": "COMPLETED", "_links": links})

    assert 0 == acme.sync().exit_code
    assert loaded_at(acme, "i1") is not None


def test_a_link_that_is_a_template(acme: Account) -> None:
    """It is not followed; the import fails alone, and everything else is loaded."""
    links = {"records": {"href": "/bulk-imports/users/:id/records", "templated": True}}
    acme.world.put_import({"id": "i1", "status": "COMPLETED", "_links": links})
    outcome = acme.sync()

    assert [("import_records", "i1", 5)] == [(f.resource, f.import_id, f.exit_code) for f in outcome.failures]
    assert (8, "partial") == (outcome.exit_code, outcome.outcome)
    assert loaded_at(acme, "i1") is None


@pytest.mark.parametrize(("status", "is_loaded"), [("FAILED", True), ("IN_PROGRESS", False)])
def test_records_that_are_not_found(acme: Account, status: str, is_loaded: bool) -> None:  # noqa: FBT001 - expected
    """Normal, too: what is stored stays, and a finished import counts as loaded."""
    known = acme.world.add_import(status="IN_PROGRESS", records=6)
    acme.sync()
    with acme.world.changing_import(known) as item:
        item |= {"status": status, "filename": "another.csv"}
    acme.sandbox.faults.use(f"404,path=/{known}/records")

    assert 0 == acme.sync().exit_code
    assert 6 == acme.size("import_records", known)
    assert is_loaded is (loaded_at(acme, known) is not None)


# Numbers that do not add up
def test_a_later_page_that_is_gone_is_no_empty_import(acme: Account) -> None:
    """The records that were read prove that there are some: the import is reported and read again."""
    new = acme.world.add_import(records=60)
    rule = acme.sandbox.faults.use(f"404,path=/{new}/records[?].*page=2")
    outcome = acme.sync()

    assert (8, [new]) == (outcome.exit_code, [failure.import_id for failure in outcome.failures])
    acme.sandbox.faults.remove(rule)
    acme.sync()
    require_level(acme)


def test_other_records_than_the_import_says(acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, shows in the view, and is no failure."""
    new = a_finished_import(acme)
    acme.world.replace_records(new, acme.world.find_import(new).records[:9])
    with caplog.at_level(logging.WARNING, logger="etl"):
        first, second = acme.sync(), acme.sync()

    assert [0, 0] == [first.exit_code, second.exit_code]
    assert [f"account=acme import={new} 9 records were read, its total_records is 12"] == caplog.messages
    assert 3 == acme.value("SELECT records_missing FROM talkdesk.import_history WHERE import_id = %s", new)


def test_a_running_import_may_still_grow(acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told that an import under way is not complete."""
    new = acme.world.add_import(status="IN_PROGRESS", records=6, total_records=7)
    acme.sync()

    assert not [message for message in caplog.messages if new in message]


def test_a_listing_that_stays_short(synced: Account) -> None:
    """It is read twice, stored as far as it goes, shows nothing as gone, and ends with 8."""
    forgotten = synced.world.imports()[-1].id
    synced.world.forget(forgotten)
    new = synced.world.add_import(records=2)
    synced.sandbox.faults.use(r"wrong-total=1,path=/users(\?|$)")
    outcome = synced.sync()

    assert [("imports", 5)] == [(failure.resource, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert 6 == sum("/bulk-imports/users" == seen.target.partition("?")[0] for seen in synced.sandbox.requests)
    assert not outcome.accounts[0].resources["imports"].complete
    assert {"imports": {"inserted": 1}, "import_records": {"inserted": 2}} == changes(outcome)
    assert [] == synced.column("SELECT import_id FROM talkdesk.imports WHERE expired_at IS NOT NULL")
    assert 2 == synced.size("import_records", new)


def test_a_listing_that_was_short_once(acme: Account) -> None:
    """Paging over moving data may do that; the second reading counts."""
    acme.sandbox.faults.use(r"wrong-total=1,times=3,path=/users(\?|$)")
    outcome = acme.sync()

    assert 0 == outcome.exit_code
    assert 12 == outcome.accounts[0].resources["imports"].counts.read
    require_level(acme)


def test_records_that_stay_short(acme: Account) -> None:
    """They are read twice and stored, but the import does not count as loaded."""
    new = a_finished_import(acme)
    acme.sandbox.faults.use(f"wrong-total=1,path=/{new}/records")
    outcome = acme.sync()

    assert [("import_records", new, 5)] == [(f.resource, f.import_id, f.exit_code) for f in outcome.failures]
    assert 8 == outcome.exit_code
    assert 6 == acme.asked(RECORDS).count(new)
    assert 12 == acme.size("import_records", new)
    assert loaded_at(acme, new) is None
    assert not outcome.accounts[0].resources["import_records"].complete


def test_records_that_were_not_all_read_remove_none(acme: Account) -> None:
    """What was read is stored; what is missing from it may be there all the same."""
    known = a_finished_import(acme)
    acme.sync()
    errors = acme.size("import_record_errors", known)
    records = acme.world.find_import(known).records
    acme.world.replace_records(known, [{"id": "new"}, records[-1] | {"status": "changed", "errors": ["another"]}])
    acme.sandbox.faults.use(f"wrong-total=1,path=/{known}/records")
    outcome = acme.sync(full=True)

    assert 8 == outcome.exit_code
    assert {"import_records": {"inserted": 1, "updated": 1}} == changes(outcome)
    assert 13 == acme.size("import_records", known)
    assert errors + 1 == acme.size("import_record_errors", known) + len(records[-1].get("errors", []))
    acme.sandbox.faults.clear()
    assert 11 == changes(acme.sync(full=True))["import_records"]["removed"]
    assert ["another"] == acme.column("SELECT message FROM talkdesk.import_record_errors WHERE import_id = %s", known)


def test_a_world_that_never_stands_still(acme: Account) -> None:
    """Whatever moved while syncs were reading, a sync of the world at rest makes it level; and the next one is idle."""
    with moving(acme.world, every=0.01):
        codes = [acme.sync().exit_code for _ in range(12)]

    assert {0} == set(codes)
    assert 0 == acme.sync().exit_code
    require_level(acme)
    assert {} == changes(acme.sync())
    for table, keys, removed in (
        ("imports", "import_id", "NULL"),
        ("case_fields", "field_key", "removed_at"),
        ("case_field_entries", "field_key, entry_id", "removed_at"),
    ):
        names = {"table": table, "keys": keys, "removed": removed}
        assert [] == acme.column(OVERLAPS.format(**names))
        assert acme.rows(LIVE_ROWS.format(**names)) == acme.rows(OPEN_VERSIONS.format(**names))
