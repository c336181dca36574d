"""What the source changes and forgets: versions, removals, returns and expiry, as syncs see them."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from etl.sandbox.faults.answers import answer
from tests import account
from tests.account import IMPORT, Account, changes, now
from tests.expected import require_level

PRODUCT = "dependent_field1"
HARDWARE = ["001"]
LAPTOP = ["001", "001001"]
SMALL = ["001", "001001", "001001001"]

ENTRY_VERSIONS = """
    SELECT label, valid_from, valid_to FROM talkdesk.case_field_entries_versions
    WHERE field_key = %s AND path = %s ORDER BY valid_from
"""
ENTRY_AS_OF = "SELECT labels FROM talkdesk.case_field_entries_as_of(%s) WHERE field_key = %s AND path = %s"


def versions(acme: Account, field_key: str, path: Sequence[str]) -> list[dict[str, Any]]:
    """The versions of an entry, which neither overlap nor are empty."""
    found = acme.rows(ENTRY_VERSIONS, field_key, list(path))
    ends = [instant for row in found for instant in (row["valid_from"], row["valid_to"]) if instant]
    assert sorted(ends) == ends
    assert all(row["valid_from"] != row["valid_to"] for row in found)
    return found


# Options


def test_an_option_is_renamed(synced: Account) -> None:
    """The entry gets a new version; below it only the labels along the path change, which have none."""
    before = now()
    synced.world.rename_entry(PRODUCT, LAPTOP, "Notebook")
    outcome = synced.sync()

    require_level(synced)
    assert {"case_fields": {"updated": 1}, "case_field_entries": {"updated": 4}} == changes(outcome)
    assert ["Laptop", "Notebook"] == [version["label"] for version in versions(synced, PRODUCT, LAPTOP)]
    assert ["13 inch"] == [version["label"] for version in versions(synced, PRODUCT, SMALL)]
    assert [["Hardware", "Laptop", "13 inch"]] == synced.column(ENTRY_AS_OF, before, PRODUCT, SMALL)
    assert [["Hardware", "Notebook", "13 inch"]] == synced.column(ENTRY_AS_OF, now(), PRODUCT, SMALL)


def test_a_renamed_leaf_is_one_row_and_one_version(synced: Account) -> None:
    """Whatever else came in the same answer is left as it is."""
    before = now()
    synced.world.rename_entry(PRODUCT, SMALL, "13.3 inch")
    synced.sync()

    changed = "SELECT path FROM talkdesk.case_field_entries WHERE last_changed_at > %s"
    opened = "SELECT path FROM talkdesk.case_field_entries_versions WHERE valid_from > %s"
    assert [list(SMALL)] == synced.column(changed, before) == synced.column(opened, before)


def test_renamed_to_and_fro(synced: Account) -> None:
    """Every label that a sync saw is a version, also one that was there before."""
    for label in ("Notebook", "Notebook", "Laptop"):
        synced.world.rename_entry(PRODUCT, LAPTOP, label)
        synced.sync()

    assert ["Laptop", "Notebook", "Laptop"] == [version["label"] for version in versions(synced, PRODUCT, LAPTOP)]


def test_an_option_appears(synced: Account) -> None:
    """It is inserted, and what was a leaf above it is none any more."""
    synced.world.add_entry(PRODUCT, [*SMALL, "x"], "Refurbished")
    outcome = synced.sync()

    require_level(synced)
    counts = {"inserted": 1, "updated": 1}
    assert {"case_fields": {"updated": 1}, "case_field_entries": counts} == changes(outcome)


def test_an_option_is_removed_and_comes_back(synced: Account) -> None:
    """With all that is below it; the siblings move up without a version; the return starts new versions."""
    first = now()
    synced.world.remove_entry(PRODUCT, LAPTOP)
    removal = synced.sync()
    require_level(synced)
    removed_at = synced.value(
        "SELECT DISTINCT removed_at FROM talkdesk.case_field_entries WHERE removed_at IS NOT NULL"
    )
    between = now()
    synced.world.restore_entry(PRODUCT, LAPTOP)
    restoration = synced.sync()
    require_level(synced)

    assert {"updated": 2, "removed": 4} == changes(removal)["case_field_entries"]
    assert {"updated": 6} == changes(restoration)["case_field_entries"]
    for path in (LAPTOP, SMALL):
        gone, back = versions(synced, PRODUCT, path)
        assert gone["valid_to"] == removed_at
        assert (gone["label"], None) == (back["label"], back["valid_to"])
        assert [1, 0, 1] == [len(synced.column(ENTRY_AS_OF, at, PRODUCT, path)) for at in (first, between, now())]
    assert 1 == len(versions(synced, PRODUCT, ["001", "001002"]))


def test_what_is_gone_is_removed_once(synced: Account) -> None:
    """The next sync leaves the instant of the removal alone."""
    synced.world.remove_entry(PRODUCT, LAPTOP)
    synced.sync()
    before = synced.everything()["case_field_entries"]

    assert {} == changes(synced.sync())
    assert before == synced.everything()["case_field_entries"]


# Fields


def test_a_field_is_removed_and_comes_back(synced: Account) -> None:
    """Its entries go and come with it; as of any instant they are there together or not at all."""
    fields = "SELECT count(*) FROM talkdesk.case_fields_as_of(%s) WHERE field_key = %s"
    entries = "SELECT count(*) FROM talkdesk.case_field_entries_as_of(%s) WHERE field_key = %s"
    first = now()
    synced.world.remove_field("drop_down3")
    removal = synced.sync()
    require_level(synced)
    between = now()
    synced.world.restore_field("drop_down3")
    restoration = synced.sync()
    require_level(synced)

    assert {"case_fields": {"removed": 1}, "case_field_entries": {"removed": 4}} == changes(removal)
    assert {"case_fields": {"updated": 1}, "case_field_entries": {"updated": 4}} == changes(restoration)
    for at, there in ((first, 1), (between, 0), (now(), 1)):
        assert there == synced.value(fields, at, "drop_down3")
        assert 4 * there == synced.value(entries, at, "drop_down3")


def test_a_field_is_renamed_and_deactivated(synced: Account) -> None:
    """A field that changes has a version for each state."""
    synced.world.rename_field("text1", "Order no.")
    synced.sync()
    with synced.world.changing_field("text1") as field:
        field["active"] = False
    synced.sync()

    require_level(synced)
    found = "SELECT name, active FROM talkdesk.case_fields_versions WHERE field_key = 'text1' ORDER BY valid_from"
    states = [("Order number", True), ("Order no.", True), ("Order no.", False)]
    assert states == [tuple(row.values()) for row in synced.rows(found)]


@pytest.mark.parametrize("fault", ["null", "no-fields"])
def test_an_empty_answer_removes_nothing(synced: Account, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    """Where there were fields before, that is said and not believed, unless --full accepts it."""
    if fault == "null":
        synced.sandbox.faults.use("null,path=/cm/meta/va/fields")
    else:
        for field in synced.world.case_fields():
            synced.world.remove_field(field["key"])
    before = synced.everything()["case_fields"]

    assert 0 == synced.sync().exit_code
    assert ["account=acme the answer held no case field: none is removed (--full accepts it)"] == caplog.messages
    assert before == synced.everything()["case_fields"]
    removed = changes(synced.sync(full=True))
    assert len(before) == removed["case_fields"]["removed"]
    assert synced.size("case_field_entries") == removed["case_field_entries"]["removed"]


def test_a_dictionary_that_is_no_list(synced: Account) -> None:
    """The entries of that field are unknown then, not gone."""
    with synced.world.changing_field("drop_down3") as field:
        field["dict_list"] = "see above"
    outcome = synced.sync()

    assert {"case_fields": {"updated": 1}} == changes(outcome)
    unread = "SELECT extra ->> 'dict_list' FROM talkdesk.case_fields WHERE field_key = 'drop_down3'"
    assert "see above" == synced.value(unread)


# Expiry


def expired(acme: Account) -> set[str]:
    return set(acme.column("SELECT import_id FROM talkdesk.imports WHERE expired_at IS NOT NULL"))


def test_an_old_import_expires_at_once(acme: Account) -> None:
    """Past the retention nobody asks; row, records and version stay."""
    old = acme.world.add_import(records=4, created_at="2024-05-01T10:00:00Z")
    acme.sync()
    acme.world.forget(old)
    outcome = acme.sync()

    assert {"imports": {"removed": 1}} == changes(outcome)
    assert {old} == expired(acme)
    assert [] == acme.asked(IMPORT)
    assert 4 == acme.size("import_records", old)
    assert [None] == acme.column("SELECT valid_to FROM talkdesk.imports_versions WHERE import_id = %s", old)
    assert {} == changes(acme.sync())


def test_a_young_import_is_asked_for_by_itself(synced: Account) -> None:
    """The source says that it is gone, so it is."""
    gone = synced.world.imports()[3].id
    synced.world.forget(gone)
    outcome = synced.sync()

    assert [gone] == synced.asked(IMPORT)
    assert {"imports": {"removed": 1}} == changes(outcome)
    assert {gone} == expired(synced)


def test_an_import_without_instants_is_as_old_as_its_row(acme: Account) -> None:
    """Nothing else is known of its age."""
    acme.world.put_import({"id": "i1", "status": "COMPLETED"})
    acme.world.put_import({"id": "i2", "status": "COMPLETED"})
    acme.sync()
    acme.change("UPDATE talkdesk.imports SET first_seen_at = now() - interval '21 days' WHERE import_id = 'i1'")
    for gone in ("i1", "i2"):
        acme.world.forget(gone)
    acme.sync()

    assert {"i1", "i2"} == expired(acme)
    assert ["i2"] == acme.asked(IMPORT)


def test_the_retention_is_a_setting(acme: Account) -> None:
    """Who knows that the source keeps imports longer can say so."""
    old = acme.world.add_import(created_at="2024-05-01T10:00:00Z")
    acme.changes["retention_days"] = 3650
    acme.sync()
    acme.world.forget(old)
    acme.sync()

    assert [old] == acme.asked(IMPORT)
    assert {old} == expired(acme)


def test_a_live_import_that_paging_skipped(synced: Account) -> None:
    """One that vanishes shifts the pages, so that another one is not listed: it is asked for, and stays."""
    newest, skipped = (synced.world.imports()[number].id for number in (0, 5))
    synced.sandbox.faults.use("vanishes,times=1")
    outcome = synced.sync()

    assert newest not in {one.id for one in synced.world.imports()}
    assert [skipped] == synced.asked(IMPORT)
    assert {} == changes(outcome)
    assert 12 == outcome.accounts[0].resources["imports"].counts.read
    assert {"imports": {"removed": 1}} == changes(synced.sync())
    assert {newest} == expired(synced)


def test_a_skipped_import_may_have_changed(synced: Account) -> None:
    """What the source says of it by itself is stored like any other, and its records are read."""
    with synced.world.changing_import(synced.world.imports()[5].id) as item:
        item["filename"] = "another.csv"
    skipped = item["id"]
    synced.sandbox.faults.use("vanishes,times=1")
    outcome = synced.sync()

    assert {"imports": {"updated": 1}} == changes(outcome)
    assert [skipped] == synced.asked(IMPORT)


def test_an_import_that_cannot_be_asked_for(synced: Account) -> None:
    """No answer is no proof: it stays, and the sync is partly done."""
    gone = synced.world.imports()[3].id
    synced.world.forget(gone)
    synced.sandbox.faults.use(f"502,path=/{gone}$")
    outcome = synced.sync()

    assert [("imports", gone, 3)] == [(f.resource, f.import_id, f.exit_code) for f in outcome.failures]
    assert 8 == outcome.exit_code
    assert set() == expired(synced)


def test_an_import_that_comes_back(synced: Account) -> None:
    """It is updated, its version goes on, and its records are looked at again."""
    known = synced.world.imports()[3]
    synced.world.forget(known.id)
    synced.sync()
    synced.world.put_import(known.item, known.records)
    outcome = synced.sync()

    assert {"imports": {"updated": 1}} == changes(outcome)
    assert set() == expired(synced)
    assert 1 == len(synced.rows("SELECT FROM talkdesk.imports_versions WHERE import_id = %s", known.id))
    require_level(synced)


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"_embedded":{}}', b'{"_embedded":{"imports":null}}'])
def test_an_answer_that_says_nothing_expires_nothing(
    synced: Account, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """That is said, and nobody is asked for."""
    synced.sandbox.faults.add(answer(body), path=r"/users(\?|$)")
    outcome = synced.sync()

    assert (0, {}) == (outcome.exit_code, changes(outcome))
    assert ["account=acme the answer held no list of imports: nothing expires"] == caplog.messages
    assert [] == synced.asked(IMPORT)


def test_an_honest_empty_list(acme: Account) -> None:
    """Where it is to be believed, everything is asked for, however old, and is gone."""
    old = acme.world.add_import(created_at="2024-05-01T10:00:00Z")
    acme.sync()
    for one in acme.world.imports():
        acme.world.forget(one.id)
    outcome = acme.sync(accept_source=True)

    assert {"imports": {"removed": 13}} == changes(outcome)
    assert 13 == len(acme.asked(IMPORT))
    assert old in expired(acme)


def test_an_account_without_anything(database_url: str) -> None:
    """Nothing is a good answer, too."""
    with account.running(database_url, imports=0) as empty:
        outcome = empty.sync()

        assert 0 == outcome.exit_code
        assert outcome.accounts[0].resources["imports"].complete


def test_states_of_imports_as_of_an_instant(acme: Account) -> None:
    """The past is answered from versions, also of what has expired meanwhile."""
    status = "SELECT status FROM talkdesk.imports_as_of(%s) WHERE import_id = %s"
    instants = [now()]
    new = acme.world.add_import(status="QUEUED", records=2)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: acme.world.start_import(new),
        lambda: acme.world.forget(new),
    ]
    for step in steps:
        step()
        acme.sync()
        instants.append(now())

    assert [[], ["QUEUED"], ["IN_PROGRESS"], ["IN_PROGRESS"]] == [acme.column(status, at, new) for at in instants]


# Too late


def test_a_gap_is_said(synced: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever syncs after three weeks is told that imports may be lost; an hour later nothing is left to say."""
    back = "started_at = started_at - interval '21 days', finished_at = finished_at - interval '21 days'"
    synced.change(f"UPDATE talkdesk.sync_runs SET {back}")  # noqa: S608
    with caplog.at_level(logging.WARNING, logger="etl"):
        synced.sync()
        synced.sync()

    told = "account=acme the last complete listing is 21.0 days old, the source forgets after 20: imports may be lost"
    assert [told] == caplog.messages
    assert 1 == len(synced.rows("SELECT * FROM talkdesk.coverage_gaps"))
