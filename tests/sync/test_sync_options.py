"""What the sync can be told: a window, everything again, a part only, nothing for real."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from starlette.requests import Request
from starlette.responses import Response

from etl.sandbox.faults.answers import edit_json
from etl.sandbox.faults.stream import Proceed
from tests.account import RECORDS, RESOURCES, Account, changes
from tests.expected import require_level

DAY = "2024-05-01"
INSTANTS = {
    "before": "2024-04-30T23:59:59.999999Z",
    "first": "2024-05-01T00:00:00Z",
    "ten": "2024-05-01T10:00:00Z",
    "ten-and-almost-one": "2024-05-01T10:00:00.999Z",
    "ten-and-one": "2024-05-01T10:00:01Z",
    "last": "2024-05-01T23:59:59.999999Z",
    "after": "2024-05-02T00:00:00Z",
}
DAMAGES = (
    "UPDATE talkdesk.imports SET filename = 'damaged', extra = '{\"damaged\": true}'",
    "UPDATE talkdesk.imports SET expired_at = now()",
    "UPDATE talkdesk.imports_versions SET status = 'damaged'",
    "DELETE FROM talkdesk.imports_versions",
    "DELETE FROM talkdesk.imports",
    "UPDATE talkdesk.import_records SET data = '{}', status = 'damaged', line = -1",
    "UPDATE talkdesk.import_records SET position = position + 1",
    "UPDATE talkdesk.import_records SET record_key = 'damaged ' || record_key",
    "DELETE FROM talkdesk.import_records",
    "DELETE FROM talkdesk.import_records WHERE mod(line, 2) = 0",
    "UPDATE talkdesk.import_record_errors SET message = 'damaged'",
    "DELETE FROM talkdesk.import_record_errors",
    "UPDATE talkdesk.import_record_errors SET record_key = 'damaged ' || record_key",
    """INSERT INTO talkdesk.import_record_errors (account, import_id, record_key, error_no)
    SELECT account, import_id, record_key, 99 FROM talkdesk.import_records""",
)
DAMAGES_OF_CASE_FIELDS = (
    "UPDATE talkdesk.case_fields SET name = 'damaged', required = NOT required",
    "UPDATE talkdesk.case_fields SET removed_at = now()",
    "DELETE FROM talkdesk.case_fields",
    "DELETE FROM talkdesk.case_field_entries",
    "UPDATE talkdesk.case_field_entries SET label = 'damaged', path = '{damaged}', labels = '{}', depth = 9",
    "UPDATE talkdesk.case_field_entries SET entry_id = 'damaged ' || entry_id",
)


# A window


@pytest.fixture
def dated(acme: Account) -> Account:
    """An account with imports on both sides of some ends of windows, and one of an unknown instant."""
    for name, created_at in INSTANTS.items():
        acme.world.add_import(id=name, created_at=created_at, records=2)
    acme.world.put_import({"id": "undated", "status": "COMPLETED"})
    return acme


@pytest.mark.parametrize(
    ("expected", "from_", "to"),
    [
        ({"first", "ten", "ten-and-almost-one", "ten-and-one", "last"}, DAY, DAY),
        ({"ten", "ten-and-almost-one"}, "2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z"),
        ({"ten", "ten-and-almost-one"}, "2024-05-01T12:00:00+02:00", "2024-05-01T05:00:01-05:00"),
        ({"ten"}, "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.999Z"),
        ({"ten-and-one"}, "2024-05-01 10:00:01", "2024-05-01 10:00:02"),
        ({"first"}, DAY, "2024-05-01T10:00:00Z"),
        ({"before"}, None, "2024-05-01T00:00:00Z"),
        ({"before"}, None, "2024-04-30"),
        ({"last"}, "2024-05-01T10:00:02Z", DAY),
    ],
)
def test_a_window_is_exact(dated: Account, expected: set[str], from_: str | None, to: str | None) -> None:
    """The beginning is included, the end is not; a bare day is all of it; nothing else is written."""
    outcome = dated.sync(from_=from_, to=to)

    assert 0 == outcome.exit_code
    assert expected == set(dated.column("SELECT import_id FROM talkdesk.imports"))
    assert expected == set(dated.column("SELECT import_id FROM talkdesk.imports_versions"))
    assert expected == set(dated.column("SELECT import_id FROM talkdesk.import_records"))
    assert expected == set(dated.asked(RECORDS))
    assert [0, 0] == [dated.size("case_fields"), dated.size("case_field_entries")]


def test_an_open_end(dated: Account) -> None:
    """Without an end the window reaches to now."""
    dated.sync(from_="2024-05-02")

    listed = {one.id for one in dated.world.imports()}
    stored = set(dated.column("SELECT import_id FROM talkdesk.imports"))
    assert listed - set(INSTANTS) - {"undated"} | {"after"} == stored


def test_rows_outside_of_the_window_are_left_alone(dated: Account) -> None:
    """Neither new nor changed nor forgotten imports outside are written; the case fields stay, too."""
    dated.sync()
    dated.world.rename_field("text1", "Order no.")
    dated.world.add_import(records=2)
    dated.world.forget("before")
    dated.world.forget("ten")
    with dated.world.changing_import("after") as item:
        item["filename"] = "another.csv"
    before = dated.everything()
    outcome = dated.sync(from_=DAY, to=DAY)
    after = dated.everything()

    assert {} == changes(outcome)
    assert [] == [name for name in before if before[name] != after[name] and not name.startswith("sync_run")]


def test_a_window_fetches_records_again(dated: Account) -> None:
    """Whatever the warehouse holds."""
    dated.sync()
    dated.world.replace_records("ten", [{"id": "another"}])
    outcome = dated.sync(from_=DAY, to=DAY)

    assert {"import_records": {"inserted": 1, "removed": 2}} == changes(outcome)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_window_repairs_damaged_rows(dated: Account, damage: str) -> None:
    """What somebody did to the rows in the window is undone."""
    dated.world.add_import(created_at="2024-05-01T12:00:00Z", status="COMPLETED_WITH_ERRORS", records=12)
    dated.sync(from_=DAY, to=DAY)
    sound = _without_clock(dated)
    dated.change(damage)
    outcome = dated.sync(from_=DAY, to=DAY)

    assert 0 == outcome.exit_code
    assert sound == _without_clock(dated)


def _without_clock(acme: Account) -> list[dict[str, object]]:
    """The rows of imports, their records and errors, with what is open of the versions."""
    ours = ("first_seen_at", "last_changed_at", "records_loaded_at", "valid_from")
    statements = (
        "SELECT *, records_loaded_at IS NULL AS pending FROM talkdesk.imports ORDER BY import_id",
        "SELECT * FROM talkdesk.imports_versions WHERE valid_to IS NULL ORDER BY import_id",
        "SELECT * FROM talkdesk.import_records ORDER BY import_id, record_key",
        "SELECT * FROM talkdesk.import_record_errors ORDER BY import_id, record_key, error_no",
    )
    rows = [row for statement in statements for row in acme.rows(statement)]
    return [{name: value for name, value in row.items() if name not in ours} for row in rows]


def test_damages_outside_of_the_window_stay(dated: Account) -> None:
    """A backfill writes no row that is not in its window."""
    dated.sync()
    dated.change("UPDATE talkdesk.imports SET filename = 'damaged'")
    dated.change("UPDATE talkdesk.import_records SET status = 'damaged'")
    dated.sync(from_=DAY, to=DAY)

    inside = {"first", "ten", "ten-and-almost-one", "ten-and-one", "last"}
    damaged = set(dated.column("SELECT import_id FROM talkdesk.imports WHERE filename = 'damaged'"))
    assert set() == damaged & inside
    assert {"before", "after", "undated"} <= damaged
    assert damaged - {"undated"} >= set(
        dated.column("SELECT import_id FROM talkdesk.import_records WHERE status = 'damaged'")
    )


def test_a_window_that_reaches_too_far_back(acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    """What the source has forgotten cannot be fetched, which is said; the rest is."""
    day = datetime.now(UTC).date()
    with caplog.at_level(logging.WARNING, logger="etl"):
        acme.sync(from_=str(day - timedelta(days=19)))
        assert [] == caplog.messages
        acme.sync(from_=str(day - timedelta(days=21)))
        acme.sync(to=str(day))
        acme.sync(from_="20d")

    told = "account=acme the window reaches back more than 20 days: what the source has forgotten cannot be fetched"
    assert [told, told] == caplog.messages
    assert len(acme.world.imports()) == acme.size("imports")


def test_a_window_without_any_import(dated: Account, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked is told, once; so is who asks for the future; what went wrong is no such answer."""
    outcomes = [dated.sync(from_=name, to=name) for name in ("2999-01-01", "2024-05-03")]
    dated.sandbox.faults.use("403,path=/bulk-imports")
    dated.sync(from_="2024-05-03", to="2024-05-03")

    assert [0, 0] == [outcome.exit_code for outcome in outcomes]
    said = [message for message in caplog.messages if "the window" in message and "reaches back" not in message]
    assert [
        "account=acme the window lies in the future: no import can have been created in it",
        "account=acme none of the 20 imports that the source lists was created in the window",
    ] == said


def test_case_fields_in_a_window(acme: Account) -> None:
    """They are left alone."""
    acme.sync(from_="2024-05-01")
    assert 0 == acme.size("case_fields")


def test_a_backfill_is_no_complete_listing(acme: Account) -> None:
    """It proves nothing about the imports outside of its window."""
    outcome = acme.sync(from_="2024-05-01")

    assert not outcome.accounts[0].resources["imports"].complete
    ledger = "SELECT resource FROM talkdesk.sync_run_resources WHERE complete AND resource = 'imports'"
    assert [] == acme.column(ledger)
    assert [None] * 4 == acme.column("SELECT last_success_at FROM talkdesk.sync_health")


# Everything again


def test_full_fetches_the_records_of_every_import(synced: Account) -> None:
    """Of each that has a link; what is the same stays untouched."""
    before = synced.everything()["import_records"]
    outcome = synced.sync(full=True)

    linked = {one.id for one in synced.world.imports() if one.item["type"] != "EXPORT_USERS"}
    assert linked == set(synced.asked(RECORDS))
    assert {} == changes(outcome)
    assert before == synced.everything()["import_records"]


@pytest.mark.parametrize("damage", DAMAGES + DAMAGES_OF_CASE_FIELDS)
def test_full_repairs_damaged_rows(synced: Account, damage: str) -> None:
    """What somebody did to the rows is undone; the next sync finds nothing to do."""
    synced.change(damage)

    assert 0 == synced.sync(full=True).exit_code
    require_level(synced)
    assert {} == changes(synced.sync(full=True))


# A part only


def test_only_imports(acme: Account) -> None:
    """The case fields are not even asked for."""
    outcome = acme.sync(only="imports")

    assert ["imports", "import_records"] == list(outcome.accounts[0].resources)
    assert [0, 0] == [acme.size("case_fields"), acme.size("case_field_entries")]
    assert not [seen for seen in acme.sandbox.requests if "/cm/" in seen.target]
    assert 0 < acme.size("import_records")


def test_only_case_fields(acme: Account) -> None:
    """The imports are not even asked for."""
    outcome = acme.sync(only="case-fields")

    assert ["case_fields", "case_field_entries"] == list(outcome.accounts[0].resources)
    assert [0, 0] == [acme.size("imports"), acme.size("import_records")]
    assert not [seen for seen in acme.sandbox.requests if "/bulk-imports/" in seen.target]
    assert 0 < acme.size("case_field_entries")


# Nothing for real


def _nothing(_: Account) -> None:
    """The world stays as it is."""


def _everything_moves(acme: Account) -> None:
    acme.world.add_import(records=3)
    acme.world.finish_import(acme.world.imports()[1].id)
    acme.world.forget(acme.world.imports()[5].id)
    acme.world.put_import({"filename": "no id"})
    acme.world.put_import({"id": "i1", "status": "COMPLETED"}, ["no record", {"id": "a record"}])
    acme.world.rename_entry("drop_down1", ["001"], "Invoice")
    acme.world.remove_entry("drop_down1", ["002"])
    acme.world.remove_field("drop_down3")
    acme.world.put_field({"key": "f1", "name": "new", "dict_list": [{"key": "1", "value": "a"}, {"value": "no key"}]})


@pytest.mark.parametrize("move", [_nothing, _everything_moves])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_dry_run_writes_nothing(acme: Account, move: Callable[[Account], None], is_first: bool) -> None:  # noqa: FBT001 - whether there is something stored
    """No row in any table; but its counts, outcome and exit code are those of the sync after it."""
    if not is_first:
        acme.sync()
    move(acme)
    before = acme.everything()
    dry = acme.sync(dry_run=True)
    assert before == acme.everything()
    wet = acme.sync()

    same = ("outcome", "accounts", "rejected", "requests")
    assert (True, False) == (dry.to_json()["dry_run"], wet.to_json()["dry_run"])
    assert dry.exit_code == wet.exit_code
    assert [dry.to_json()[name] for name in same] == [wet.to_json()[name] for name in same]
    assert set(RESOURCES) == set(wet.accounts[0].resources)


UNTOUCHED = """
    CREATE FUNCTION public.untouched() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'a dry run writes' USING ERRCODE = '42501'; END $$
"""
LOCK = """
    CREATE TRIGGER untouched BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON talkdesk.{}
    FOR EACH STATEMENT EXECUTE FUNCTION public.untouched()
"""


@pytest.mark.parametrize("is_first", [True, False])
def test_a_dry_run_only_compares(acme: Account, is_first: bool) -> None:  # noqa: FBT001 - whether there is something stored
    """No statement is so much as begun that would write to a table of ours."""
    if not is_first:
        acme.sync()
    _everything_moves(acme)
    acme.command(UNTOUCHED)
    for table in acme.everything():
        acme.command(LOCK.format(table))
    dry = acme.sync(full=True, dry_run=True)
    acme.command("DROP FUNCTION public.untouched CASCADE")
    wet = acme.sync(full=True)

    assert [] == dry.failures
    assert dry.to_json()["accounts"] == wet.to_json()["accounts"]


def test_a_dry_run_repairs_nothing(synced: Account) -> None:
    """It says what --full would do, and leaves the damage."""
    synced.change("UPDATE talkdesk.import_records SET status = 'damaged'")
    before = synced.everything()
    outcome = synced.sync(full=True, dry_run=True)

    assert {"import_records": {"updated": synced.size("import_records")}} == changes(outcome)
    assert before == synced.everything()


@pytest.mark.parametrize("how", ["variable", "URL"])
def test_texts_are_stored_as_they_are(acme: Account, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Whatever encoding is asked for in the surroundings: what is written is UTF-8."""

    def add_accents(body: Any) -> None:
        for record in body["_embedded"]["records"]:
            record |= {"id": f"é{record['id']}", "status": "réussi", "data": {"Name": "Zoë"}}

    acme.sandbox.faults.add(edit_json(add_accents), path=RECORDS.pattern)
    loader = acme
    if how == "variable":
        monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    else:
        loader = replace(acme, url=make_conninfo(acme.url, client_encoding="LATIN1"))
    outcomes = [loader.sync(), loader.sync(full=True)]
    monkeypatch.delenv("PGCLIENTENCODING", raising=False)

    assert ["succeeded"] * 2 == [outcome.outcome for outcome in outcomes]
    assert {} == changes(outcomes[1])
    assert ["id:é"] == acme.column("SELECT DISTINCT left(record_key, 4) FROM talkdesk.import_records")
    assert ["réussi"] == acme.column("SELECT DISTINCT status FROM talkdesk.import_records")
    assert ["Zoë"] == acme.column("SELECT DISTINCT data ->> 'Name' FROM talkdesk.import_records")


class Crowd:
    """Counts the requests under way at once, each of which takes a moment."""

    def __init__(self) -> None:
        self.most = self._now = 0

    async def fault(self, _request: Request, proceed: Proceed) -> Response:
        """What makes requests take a moment."""
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.05)
        self._now -= 1
        return await proceed()


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_allowed(acme: Account, concurrency: int) -> None:
    """One at a time is polite, and no less correct."""
    acme.changes["concurrency"], crowd = concurrency, Crowd()
    acme.sandbox.faults.add(crowd.fault)
    acme.sync()

    assert concurrency == crowd.most
    require_level(acme)
