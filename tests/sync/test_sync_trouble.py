"""What goes wrong: rejected items, refusals, outages, the lock, interruptions; and what is said of it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from etl import load
from etl.errors import NotStorable
from etl.load import halving
from etl.rows import Rejected
from etl.sandbox.faults.answers import answer, meanwhile
from etl.sync import pipeline
from etl.sync.run import AccountRun
from etl.warehouse.tables import REVISION
from tests.account import IMPORT, RECORDS, Account, changes, running, sync
from tests.expected import require_level

LOCK = "SELECT pg_advisory_lock(hashtextextended('talkdesk-etl acme', 0))"
REJECTED = "SELECT resource, import_id, item, reason FROM talkdesk.rejected_items ORDER BY resource, item"
RUNS = "SELECT * FROM talkdesk.sync_runs ORDER BY started_at"
RESOURCES_OF_RUN = "SELECT * FROM talkdesk.sync_run_resources WHERE run_id = %s"


@pytest.fixture
def zenith(acme: Account) -> Iterator[Account]:
    """Another account of the same warehouse."""
    with running(acme.url, name="zenith", seed=1) as zenith:
        yield zenith


# Rejected items


def reject_import(acme: Account) -> None:
    acme.world.put_import({"filename": "no id"})


def reject_record(acme: Account) -> None:
    acme.world.put_import({"id": "i1", "status": "QUEUED"}, ["no object"])


def reject_field(acme: Account) -> None:
    acme.world.put_field({"name": "no key"})


def reject_entry(acme: Account) -> None:
    acme.world.put_field({"key": "f1", "dict_list": [{"value": "no key"}]})


@pytest.mark.parametrize(
    ("reject", "expected"),
    [
        (reject_import, ("imports", None, "it has no id")),
        (reject_record, ("import_records", "i1", "it is no object")),
        (reject_field, ("case_fields", None, "it has no key")),
        (reject_entry, ("case_field_entries", None, "entry of case field 'f1': it has no key")),
    ],
)
def test_a_rejected_item(synced: Account, reject: Callable[[Account], None], expected: tuple[str, Any, str]) -> None:
    """It cries when it is new and with --full; standing, it only shows in the counts."""
    reject(synced)
    new, standing, full = synced.sync(), synced.sync(), synced.sync(full=True)

    assert [(8, "partial"), (0, "succeeded"), (8, "partial")] == [
        (o.exit_code, o.outcome) for o in (new, standing, full)
    ]
    assert [1, 1, 1] == [outcome.to_json()["rejected"] for outcome in (new, standing, full)]
    assert [[], [], []] == [outcome.failures for outcome in (new, standing, full)]
    (row,) = synced.rows(REJECTED)
    assert expected == (row["resource"], row["import_id"], row["reason"])
    assert "no" in row["item"]


def test_more_rejected_items_than_a_statement_has_parameters(connection: Connection) -> None:
    """An import with 70,000 lines that are no objects is no reason to give up."""
    items = [Rejected("import_records", "i1", str(n), "it is no object") for n in range(70_000)]

    assert 70_000 == load.keep_rejected(connection, "acme", "run", items)


def test_a_rejected_item_is_kept_as_received(acme: Account) -> None:
    """One row for each distinct item, with the first run that met it and the instants of both ends."""
    for _ in range(2):
        acme.world.put_import({"filename": "ç", "id": None, "n": 1.50, "_links": {"self": {"href": "x"}}})
    first = acme.sync()
    acme.sync()

    (row,) = acme.rows("SELECT * FROM talkdesk.rejected_items")
    assert '{"_links":{"self":{"href":"x"}},"filename":"ç","id":null,"n":1.5}' == row["item"]
    assert (first.run_id, "its id is null") == (row["run_id"], row["reason"])
    assert row["rejected_at"] < row["last_seen_at"]


def test_read_is_what_was_fetched(acme: Account) -> None:
    """Of each resource every item that was fetched was either stored or rejected."""
    for reject in (reject_import, reject_record, reject_field, reject_entry):
        reject(acme)
    for resource in acme.sync().accounts[0].resources.values():
        counts = resource.counts

        assert 1 == counts.rejected
        assert counts.read == counts.inserted + counts.rejected


def test_rejected_items_do_not_stop_the_others(acme: Account) -> None:
    """Everything else is level."""
    for reject in (reject_import, reject_field):
        reject(acme)
    acme.sync()

    listed = {one.id for one in acme.world.imports() if "id" in one.item}
    assert listed == set(acme.column("SELECT import_id FROM talkdesk.imports"))
    assert 12 == acme.size("case_fields")


def test_rejected_items_are_pruned_by_age(acme: Account) -> None:
    """What was not seen for so long is gone, since it may be about people."""
    acme.world.put_import({"filename": "no id"})
    acme.sync()
    acme.change("UPDATE talkdesk.rejected_items SET last_seen_at = now() - interval '91 days', item_id = 'another'")
    sync(acme, keep_rejected=timedelta(days=92))
    assert 2 == acme.size("rejected_items")
    sync(acme, keep_rejected=timedelta(days=90))
    assert 1 == acme.size("rejected_items")


def test_an_import_that_cannot_be_stored(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Postgres refuses the records of one import, one and all, those of all others are stored."""
    unlucky = acme.world.add_import(records=4)
    monkeypatch.setattr(halving, "MAX_REFUSED", 2)
    acme.command(f"ALTER TABLE talkdesk.import_records ADD CONSTRAINT house CHECK (import_id <> '{unlucky}')")
    outcome = acme.sync()

    assert [("import_records", unlucky, 5)] == [(f.resource, f.import_id, f.exit_code) for f in outcome.failures]
    assert 8 == outcome.exit_code
    assert 0 == acme.size("rejected_items")
    acme.command("ALTER TABLE talkdesk.import_records DROP CONSTRAINT house")
    assert 0 == acme.sync().exit_code
    assert {unlucky} < set(acme.asked(RECORDS))
    require_level(acme)


def test_a_list_that_cannot_be_stored(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The case fields are, and it is said what was not."""
    upsert = load.upsert

    def refusing(connection: Connection, what: load.Versioned, *rest: Any) -> load.Stored:
        if what is load.IMPORTS:
            raise NotStorable("a value does not fit into its column")
        return upsert(connection, what, *rest)

    monkeypatch.setattr(load, "upsert", refusing)
    outcome = acme.sync()

    assert [("imports", 5)] == [(failure.resource, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert 12 == acme.size("case_fields")


# A source that fails


@pytest.mark.parametrize(("fault", "exit_code"), [("503=empty", 3), ("403", 4), ("login-page", 5)])
def test_a_source_that_gives_nothing(acme: Account, fault: str, exit_code: int) -> None:
    """Nothing was synced, so the code of the first failure is the answer; both parts were tried."""
    acme.sandbox.faults.use(fault)
    outcome = acme.sync()

    assert (exit_code, "failed") == (outcome.exit_code, outcome.outcome)
    assert ["imports", "case_fields"] == [failure.resource for failure in outcome.failures]
    assert [] == acme.column("SELECT resource FROM talkdesk.sync_run_resources WHERE complete")
    assert ["failed"] == acme.column("SELECT outcome FROM talkdesk.sync_runs")


@pytest.mark.parametrize(
    ("path", "failed", "rows"),
    [(r"/users(\?|$)", "imports", "case_fields"), ("/cm/meta/va/fields", "case_fields", "import_records")],
)
def test_one_part_is_refused(acme: Account, path: str, failed: str, rows: str) -> None:
    """The other one is synced."""
    acme.sandbox.faults.use(f"403,path={path}")
    outcome = acme.sync()

    assert [(failed, 4)] == [(failure.resource, failure.exit_code) for failure in outcome.failures]
    assert (8, "partial") == (outcome.exit_code, outcome.outcome)
    assert 0 < acme.size(rows)
    assert 0 == acme.size(failed)


def test_a_list_that_breaks_off(synced: Account) -> None:
    """What was read of it is stored, with its records; nothing shows as gone."""
    new = synced.world.add_import(records=3)
    gone = synced.world.imports()[-1].id
    synced.world.forget(gone)
    synced.sandbox.faults.use(r"502,path=/users\?.*page=2")
    outcome = synced.sync()

    assert [("imports", 3)] == [(failure.resource, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert 3 == synced.size("import_records", new)
    assert [] == synced.asked(IMPORT)
    assert not outcome.accounts[0].resources["imports"].complete
    assert not outcome.accounts[0].resources["import_records"].complete


def test_case_fields_that_break_off(synced: Account) -> None:
    """What was read is stored; what was not read is not removed."""
    page = b'{"_embedded":{"fields":[{"key":"text1","name":"new"}]},"_links":{"next":{"href":"/cm/meta/va/more"}}}'
    synced.sandbox.faults.add(answer(page), path="/cm/meta/va/fields")
    outcome = synced.sync()

    assert {"case_fields": {"updated": 1}} == changes(outcome)
    assert 8 == outcome.exit_code
    assert not outcome.accounts[0].resources["case_fields"].complete


def test_one_import_fails(acme: Account) -> None:
    """The others are loaded; the next sync asks for that one again, and for no other."""
    unlucky = acme.world.imports()[3].id
    acme.sandbox.faults.use(f"502,path=/{unlucky}/records")
    outcome = acme.sync()
    acme.sandbox.faults.clear()

    assert [(unlucky, 3)] == [(failure.import_id, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert 0 == acme.sync().exit_code
    assert unlucky in acme.asked(RECORDS)
    require_level(acme)


# Several accounts


def test_accounts_are_kept_apart(acme: Account, zenith: Account) -> None:
    """Each has its own rows, run and counts, under one run id."""
    outcome = sync(acme, zenith)

    assert 0 == outcome.exit_code
    assert {"acme", "zenith"} == set(outcome.to_json()["accounts"])
    for one in (acme, zenith):
        mine = {imported.id for imported in one.world.imports()}
        assert mine == set(acme.column("SELECT import_id FROM talkdesk.imports WHERE account = %s", one.name))
    assert [("acme", outcome.run_id), ("zenith", outcome.run_id)] == [
        (run["account"], run["run_id"]) for run in acme.rows(RUNS)
    ]
    again = sync(acme, zenith)
    assert [12, 12] == [one.resources["imports"].counts.unchanged for one in again.accounts]


def test_one_account_fails(acme: Account, zenith: Account) -> None:
    """The others go on, whichever comes first."""
    acme.changes["client_secret"] = "wrong"
    outcome = sync(acme, zenith)

    assert (8, "partial") == (outcome.exit_code, outcome.outcome)
    assert {("acme", 4)} == {(failure.account, failure.exit_code) for failure in outcome.failures}
    assert [("acme", "failed"), ("zenith", "succeeded")] == [
        (run["account"], run["outcome"]) for run in acme.rows(RUNS)
    ]
    assert {"zenith"} == set(acme.column("SELECT account FROM talkdesk.imports"))


# The lock


def test_a_busy_account(synced: Account, zenith: Account) -> None:
    """Another sync is at work: after two seconds this one gives up and leaves no row; other accounts are synced."""
    before = synced.everything()
    with psycopg.connect(synced.url) as other:
        other.execute(LOCK)
        started = time.monotonic()
        outcome = sync(synced, zenith)
        took = time.monotonic() - started

    assert ["busy", "succeeded"] == [one.outcome for one in outcome.accounts]
    assert [("acme", 7)] == [(failure.account, failure.exit_code) for failure in outcome.failures]
    assert 8 == outcome.exit_code
    assert took < 4
    assert [] == list(synced.sandbox.requests)
    after = synced.everything()
    assert [] == [row for name, rows in after.items() for row in rows if "(acme," in row and row not in before[name]]


# Interruptions


def test_a_stop(acme: Account) -> None:
    """What is complete stays, the ledger says how far it came, and the next sync goes on from there."""
    stop = threading.Event()
    acme.sandbox.faults.add(meanwhile(lambda _: stop.set()), path=RECORDS.pattern, after=3)
    started = time.monotonic()
    outcome = sync(acme, stop=stop)

    assert (130, "interrupted") == (outcome.exit_code, outcome.outcome)
    assert 3 > time.monotonic() - started
    (run,) = acme.rows(RUNS)
    assert ("interrupted", "interrupted") == (run["outcome"], run["error"])
    assert run["finished_at"] is not None
    ledger = {row["resource"]: row for row in acme.rows(RESOURCES_OF_RUN, outcome.run_id)}
    assert {"imports", "import_records"} == set(ledger)
    assert [True, False] == [ledger[resource]["complete"] for resource in ("imports", "import_records")]
    assert 12 == ledger["imports"]["inserted"]
    assert 0 < ledger["import_records"]["requests"]
    assert 0 == acme.sync().exit_code
    require_level(acme)


def test_a_stop_leaves_the_accounts_after_it(acme: Account, zenith: Account) -> None:
    """Nobody asks for them."""
    stop = threading.Event()
    acme.sandbox.faults.add(meanwhile(lambda _: stop.set()))
    outcome = sync(acme, zenith, stop=stop)

    assert 130 == outcome.exit_code
    assert [] == list(zenith.sandbox.requests)


def test_a_run_that_died(synced: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The next one closes it, and says so."""
    synced.change("UPDATE talkdesk.sync_runs SET outcome = 'running', finished_at = NULL")
    synced.sync()

    assert ["died", "succeeded"] == synced.column("SELECT outcome FROM talkdesk.sync_runs ORDER BY started_at")
    assert ["account=acme 1 earlier run(s) had died and are closed"] == caplog.messages


def test_a_schema_that_is_not_at_head(acme: Account) -> None:
    """Nothing is asked and nothing is written."""
    acme.change("UPDATE talkdesk.alembic_version SET version_num = '0001'")
    outcome = acme.sync()

    assert (6, "failed") == (outcome.exit_code, outcome.outcome)
    [failure] = outcome.failures
    assert failure.message.startswith(f"the schema is at revision 0001, not at {REVISION}: run `talkdesk-etl migrate`")
    assert [] == list(acme.sandbox.requests)


# What nobody thought of


def strike(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    """A step of zenith's sync, and of no other account's, raises the error."""
    real = getattr(pipeline, step)

    def struck(run: AccountRun, *arguments: Any) -> None:
        if run.account == "zenith":
            raise error
        real(run, *arguments)

    monkeypatch.setattr(pipeline, step, struck)


@pytest.mark.parametrize(
    ("step", "lost", "error"),
    [
        ("sync_listing", "imports", ValueError("secret")),
        ("load_records", "import_records", MemoryError()),
        ("load_case_fields", "case_fields", RecursionError()),
    ],
)
def test_the_unexpected_ends_one_resource(
    acme: Account, zenith: Account, monkeypatch: pytest.MonkeyPatch, step: str, lost: str, error: Exception
) -> None:
    """Whatever it is: the account's other resources and the accounts after it are synced, and the answer says so."""
    strike(monkeypatch, step, error)
    third = replace(acme, name="third")
    outcome = sync(acme, zenith, third)
    (failure,) = outcome.failures

    assert ["succeeded", "partial", "succeeded"] == [account.outcome for account in outcome.accounts]
    assert ("zenith", lost, 1, 8) == (failure.account, failure.resource, failure.exit_code, outcome.exit_code)
    assert f"unexpected {type(error).__name__} at " in failure.message
    assert "secret" not in failure.message
    assert ["partial"] == [run["outcome"] for run in acme.rows(RUNS) if run["account"] == "zenith"]
    monkeypatch.undo()
    assert 0 == sync(acme, zenith).exit_code


def test_an_account_that_cannot_even_begin(acme: Account, zenith: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts after it are synced; 1 is left for a run that came to nothing."""

    def broken(run: AccountRun) -> None:
        if run.account == "acme":
            raise MemoryError

    monkeypatch.setattr(AccountRun, "open", broken_first(broken))
    both = sync(acme, zenith)
    alone = sync(acme)

    assert (8, ["failed", "succeeded"]) == (both.exit_code, [account.outcome for account in both.accounts])
    assert (1, "failed") == (alone.exit_code, alone.outcome)


def broken_first(broken: Callable[[AccountRun], None]) -> Callable[[AccountRun], bool]:
    """`AccountRun.open`, which does something else first."""
    real = AccountRun.open

    def opening(run: AccountRun) -> bool:
        broken(run)
        return real(run)

    return opening
