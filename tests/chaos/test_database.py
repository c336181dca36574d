"""Whatever the database does: the run ends in time, says so in one line and counts what is true; the next is level.

CHAOS_ALL=1 in the environment strikes at every message instead of every tenth, and more often at random.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from etl.errors import DONE, PARTLY_DONE, DatabaseError, LockHeld
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import rules
from etl.sync.outcome import SyncOutcome
from etl.warehouse import connections, embedded, guard, migrating, session, settings
from tests import account as accounts
from tests import postgres
from tests.account import Account
from tests.chaos import process
from tests.chaos.level import assert_level
from tests.chaos.plug import Plug, Strike, plugged
from tests.launcher import postmaster

Counts = dict[str, dict[str, int]]

DATABASE, LOCKED = DatabaseError.exit_code, LockHeld.exit_code
GIVEN_UP_SECONDS = 30
MESSAGES = 110  # a sync of this size sends a few more to the server
COMMIT = b"COMMIT\0"  # every BEGIN names READ COMMITTED
OPENING = 6  # commits belong to it, the last of which puts the run on record
COMMITS = 10  # follow
BEGUN = 60  # messages, after which the run is on record
EVERY = 1 if os.environ.get("CHAOS_ALL") else 10
SMALL: dict[str, Any] = {"imports": 7, "records": 5, "per_page": 5}
DATA = ("imports", "import_records", "import_record_errors", "case_fields", "case_field_entries")
VERSIONS = ("imports_versions", "case_fields_versions", "case_field_entries_versions")
LEDGER = ("sync_runs", "sync_run_resources", "rejected_items")
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, 'talkdesk-etl ')"
LOCKS = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""
TERMINATE = f"SELECT pg_terminate_backend(pid) {OURS}"
WAITING = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"


@pytest.fixture
def acme(shared_url: str) -> Iterator[Account]:
    """A level account whose source has moved on since."""
    with moved_on(shared_url) as acme:
        yield acme


@pytest.fixture(scope="module")
def undisturbed(shared_url: str) -> Counts:
    """What a sync of such an account counts when nothing happens to it."""
    with moved_on(shared_url) as account:
        outcome = account.sync()
        assert (PARTLY_DONE, []) == (outcome.exit_code, outcome.failures)
        counts: Counts = outcome.to_json()["accounts"][account.name]
        assert all(any(counts[name][what] for name in counts) for what in counts["imports"])
        return counts


@pytest.fixture
def plug(acme: Account) -> Iterator[Plug]:
    """A plug before the account's warehouse."""
    with plugged(acme.url) as plug:
        yield plug


@pytest.fixture
def remote(acme: Account, plug: Plug) -> Account:
    """The account as it reaches the warehouse through the plug."""
    return replace(acme, url=plug.url)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute in life is over in a few seconds."""
    monkeypatch.setattr(session, "RECONNECT_SECONDS", 0.5)
    monkeypatch.setattr(guard, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(guard, "NEWCOMER_SECONDS", 1)
    monkeypatch.setitem(connections.NETWORK, "connect_timeout", 1)


@contextmanager
def moved_on(url: str) -> Iterator[Account]:
    """An account after its first sync; there is work for every part of the next, and an item that cannot be loaded."""
    with accounts.running(url, name=f"acme-{uuid4().hex[:12]}", **SMALL) as account:
        assert account.sync().exit_code == DONE
        world = account.world
        *_, gone, oldest = (one for one in world.imports() if one.records)
        world.forget(gone.id)
        world.add_import(status="COMPLETED_WITH_ERRORS", records=7)
        world.replace_records(oldest.id, [*oldest.records[1:], {**oldest.records[0], "id": "new"}, "no object"])
        with world.changing_import(oldest.id) as item:
            item.update(filename="changed.csv", total_records=len(oldest.records) + 1)
        world.rename_field("drop_down1", "Changed")
        world.rename_entry("dependent_field1", ("001", "001001"), "Changed")
        world.remove_field("drop_down2")
        yield account


def runs(account: Account) -> list[str]:
    """How the account's runs ended, the first one first."""
    return account.column("SELECT outcome FROM talkdesk.sync_runs WHERE account = %s ORDER BY started_at", account.name)


def stored(account: Account) -> list[list[str]]:
    """All rows of data and of versions."""
    statement = "SELECT t::text FROM talkdesk.{} AS t WHERE account = %s ORDER BY 1"
    return [account.column(statement.format(name), account.name) for name in (*DATA, *VERSIONS)]


def words(outcome: SyncOutcome) -> str:
    """What the run says in its only failure: one line."""
    [failure] = outcome.failures

    assert failure.message
    assert "\n" not in failure.message
    return failure.message


def assert_recovers(account: Account) -> None:
    """One more run puts the warehouse level, and leaves no run open."""
    outcome = account.sync()

    assert [] == outcome.failures
    assert_is_level(account)


def assert_is_level(account: Account) -> None:
    """The warehouse says what the sandbox says, but for what could not be loaded."""
    for one in account.world.imports():
        account.world.replace_records(one.id, [record for record in one.records if isinstance(record, dict)])
    assert_level(account.sandbox, account.url, account.name)


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Inside, the work is done in another thread."""
    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def wait_until(account: Account, count: str) -> None:
    """Afterwards the statement counts something."""
    ends = time.monotonic() + 10
    while not account.value(count):
        assert time.monotonic() < ends
        time.sleep(0.01)


@contextmanager
def lock_held(account: Account) -> Iterator[None]:
    """Inside, somebody else holds the account's lock."""
    with psycopg.connect(account.url) as connection:
        name = f"talkdesk-etl {account.name}"
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        yield


# Down, or closed to us, at the start


def test_down_at_the_start(acme: Account, remote: Account, plug: Plug) -> None:
    """Nobody waits for a database that was never there."""
    plug.pull()
    began = time.monotonic()
    outcome = remote.sync()

    assert time.monotonic() - began < 2
    assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
    assert "cannot be reached" in words(outcome)
    assert_recovers(acme)


@pytest.mark.usefixtures("impatient")
def test_silence_at_the_start(acme: Account, remote: Account, plug: Plug) -> None:
    """Somebody takes the call and says nothing."""
    plug.jam()
    outcome = remote.sync()

    assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
    assert "cannot be reached: connection timeout expired" in words(outcome)
    assert_recovers(acme)


@pytest.mark.usefixtures("impatient")
def test_all_accounts_hear_of_it_at_once(acme: Account, remote: Account, plug: Plug) -> None:
    """The second account does not try again what the first one has found out."""
    plug.jam()
    began = time.monotonic()
    outcome = accounts.sync(*(replace(remote, name=f"{acme.name}{number}") for number in range(4)))

    assert time.monotonic() - began < 4
    assert [DATABASE] * 4 == [failure.exit_code for failure in outcome.failures]


def test_a_database_that_does_not_exist(acme: Account) -> None:
    url = make_url(acme.url).set(database="nowhere").render_as_string(hide_password=False)
    outcome = replace(acme, url=url).sync()

    assert DATABASE == outcome.exit_code
    assert '"nowhere" does not exist' in words(outcome)


@contextmanager
def role(account: Account, *rights: str) -> Iterator[Account]:
    """The same account with a role of its own, which has these rights."""
    name = f"role_{uuid4().hex[:8]}"
    account.command(f"CREATE ROLE {name} LOGIN PASSWORD 'planted'")
    try:
        for right in rights:
            account.command(right.format(role=name))
        url = make_url(account.url).set(username=name, password="planted")
        yield replace(account, url=url.render_as_string(hide_password=False))
    finally:
        account.command(f"DROP OWNED BY {name}")
        account.command(f"DROP ROLE {name}")


USAGE = "GRANT USAGE ON SCHEMA talkdesk TO {role}"
READ = "GRANT SELECT ON ALL TABLES IN SCHEMA talkdesk TO {role}"
WRITE = "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA talkdesk TO {role}"


@pytest.mark.parametrize(
    ("rights", "said"),
    [
        ((), "lacks a right"),
        ((USAGE,), "lacks a right"),
        ((USAGE, READ), "lacks a right"),
        ((USAGE, READ, WRITE, "ALTER ROLE {role} CONNECTION LIMIT 0"), "too many connections"),
    ],
)
def test_a_role_that_may_not(acme: Account, rights: tuple[str, ...], said: str) -> None:
    """What it lacks is said; nothing was changed."""
    before = stored(acme)
    with role(acme, *rights) as limited:
        outcome = limited.sync()

    assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
    assert said in words(outcome)
    assert before == stored(acme)
    assert_recovers(acme)


@pytest.mark.parametrize("right", ["INSERT ON talkdesk.imports", "UPDATE ON talkdesk.imports_versions"])
def test_a_role_that_may_not_write_the_imports(acme: Account, right: str) -> None:
    """What it lacks is said, and the case fields are synced all the same."""
    with role(acme, USAGE, READ, WRITE, f"REVOKE {right} FROM {{role}}") as limited:
        outcome = limited.sync()

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert "lacks a right" in words(outcome)
    assert_recovers(acme)


def test_a_role_that_may_not_take_its_time(acme: Account) -> None:
    """A statement that waits for a lock is cancelled, and that is said; nothing was changed."""
    before, rights = stored(acme), (USAGE, READ, WRITE, "ALTER ROLE {role} SET statement_timeout = 1")
    with role(acme, *rights) as limited, psycopg.connect(acme.url) as blocker:
        blocker.execute("LOCK TABLE talkdesk.imports IN EXCLUSIVE MODE")
        outcome = limited.sync()

    assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
    assert "cancelled" in words(outcome)
    assert before == stored(acme)
    assert_recovers(acme)


def test_a_role_that_may_write(acme: Account) -> None:
    """The rights of the documents are enough, whatever else is set for the role."""
    odd = (
        "idle_session_timeout = 200",
        "lock_timeout = 1",
        "default_transaction_isolation = serializable",
        "default_transaction_read_only = on",
        "default_transaction_deferrable = on",
        "timezone = 'Asia/Kathmandu'",
        "search_path = pg_catalog",
    )
    acme.sandbox.faults.use(f"slow=0.4,times=1,path={rules.RECORDS}")
    with role(acme, USAGE, READ, WRITE, *(f"ALTER ROLE {{role}} SET {setting}" for setting in odd)) as loader:
        assert_recovers(loader)


# The schema


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP SCHEMA talkdesk CASCADE", "has never been migrated: run `talkdesk-etl migrate`"),
        ("UPDATE talkdesk.alembic_version SET version_num = '0001'", "at revision 0001, not at"),
        ("UPDATE talkdesk.alembic_version SET version_num = '9999'", "install the newer talkdesk-etl"),
        ("DROP TABLE talkdesk.import_records CASCADE", "not complete"),
    ],
)
def test_a_schema_that_is_another(database_url: str, change: str, said: str) -> None:
    """Never migrated, behind, ahead, damaged."""
    with accounts.running(database_url) as acme:
        acme.command(change)
        outcome = acme.sync()

    assert outcome.exit_code in {DATABASE, PARTLY_DONE}
    assert said in words(outcome)


def test_a_schema_ahead_cannot_be_migrated(database_url: str) -> None:
    """The older program says so, in its own words, and leaves it alone."""
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE talkdesk.alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseError, match="revision 9999, which this version does not know: install the newer"):
        migrating.migrate(database_url)


# Lost in mid-run, and back


def assert_survived(account: Account, outcome: SyncOutcome, undisturbed: Counts) -> None:
    """As if nothing had happened; or it had hardly begun, did nothing, and said so."""
    if runs(account)[1:]:
        assert_as_undisturbed(account, outcome, undisturbed)
    else:
        assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
        assert words(outcome).startswith("the database cannot be reached: ")
        assert_recovers(account)


def assert_as_undisturbed(account: Account, outcome: SyncOutcome, undisturbed: Counts) -> None:
    """Level, and every count is what it would have been, in the answer and in the ledger."""
    assert [] == outcome.failures
    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)  # for the new rejected item
    assert undisturbed == outcome.to_json()["accounts"][account.name]
    assert ["succeeded", "partial"] == runs(account)
    noted = account.rows("SELECT * FROM talkdesk.sync_run_resources WHERE run_id = %s", outcome.run_id)
    assert undisturbed == {row["resource"]: {name: row[name] for name in undisturbed["imports"]} for row in noted}
    assert_is_level(account)


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
@pytest.mark.parametrize("number", range(2, MESSAGES, EVERY))
def test_a_lost_connection(
    acme: Account, remote: Account, plug: Plug, undisturbed: Counts, number: int, *, answered: bool
) -> None:
    """At any message: once it has begun, the run reconnects, counts as if nothing had happened, and ends level."""
    plug.strike = Strike(plug.cut, number=number, answered=answered)

    assert_survived(acme, remote.sync(), undisturbed)


@pytest.mark.parametrize("answered", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("number", range(OPENING, OPENING + COMMITS))
def test_a_lost_commit(
    acme: Account, remote: Account, plug: Plug, undisturbed: Counts, number: int, *, answered: bool
) -> None:
    """Whether the server did it is asked, not guessed: nothing is counted twice, or not at all."""
    plug.strike = Strike(plug.cut, text=COMMIT, number=number, answered=answered)

    assert_as_undisturbed(acme, remote.sync(), undisturbed)
    assert plug.strike.seen >= number


@pytest.mark.parametrize("answered", [False, True], ids=["unheard", "unanswered"])
def test_lost_again_while_it_asks(
    acme: Account, remote: Account, plug: Plug, undisturbed: Counts, *, answered: bool
) -> None:
    """The connection that asks what became of a commit is lost, too; the one after it has the lock again."""
    locks: list[int] = []
    acme.sandbox.faults.add(faulty.meanwhile(lambda _: locks.append(acme.value(LOCKS))), path=rules.FIELDS)

    def twice() -> None:
        plug.strike = Strike(plug.cut, text=b"pg_xact_status", answered=answered)
        plug.cut()

    plug.strike = Strike(twice, text=COMMIT, number=OPENING + 3, answered=True)

    assert_as_undisturbed(acme, remote.sync(), undisturbed)
    assert (True, [1]) == (plug.strike.seen > 0, locks)


@pytest.mark.parametrize("number", range(BEGUN, MESSAGES, 2 * EVERY))
def test_a_server_that_does_not_know(
    acme: Account, remote: Account, plug: Plug, undisturbed: Counts, number: int
) -> None:
    """It keeps the lock for a session whose other end is gone: the run ends its own old session."""
    plug.strike = Strike(plug.cut_half, number=number)

    assert_as_undisturbed(acme, remote.sync(), undisturbed)


def test_away_for_seconds(acme: Account, remote: Account, plug: Plug, undisturbed: Counts) -> None:
    """A server that is started anew takes its time."""
    plug.strike = Strike(lambda: plug.pull_for(3), number=60)

    assert_as_undisturbed(acme, remote.sync(), undisturbed)


@pytest.mark.usefixtures("impatient")
def test_long_work_is_not_time_away(acme: Account, remote: Account, plug: Plug, undisturbed: Counts) -> None:
    """What counts is how long the database is gone, not how long the work had taken before."""

    def late() -> None:
        time.sleep(1)
        plug.cut()

    plug.strike = Strike(late, text=COMMIT, number=OPENING + 1)

    assert_as_undisturbed(acme, remote.sync(), undisturbed)


@pytest.mark.parametrize("seed", range(100 if EVERY == 1 else 5))
def test_terminated_sessions(acme: Account, undisturbed: Counts, seed: int) -> None:
    """Somebody ends every session of the product that is found, at random instants."""
    rng = Random(seed)  # noqa: S311 - the same strikes for the same seed

    def terminate() -> None:
        for _ in range(3):
            time.sleep(rng.uniform(0.02, 0.1))
            acme.command(TERMINATE)

    with beside(terminate):
        outcome = acme.sync()

    assert_survived(acme, outcome, undisturbed)


def test_terminated_while_a_statement_waits(acme: Account, undisturbed: Counts) -> None:
    """The wait for a lock is begun again."""

    def terminate() -> None:
        wait_until(acme, WAITING)
        acme.command(TERMINATE)
        wait_until(acme, WAITING)
        blocker.rollback()

    with psycopg.connect(acme.url) as blocker:
        blocker.execute("LOCK TABLE talkdesk.case_fields")
        with beside(terminate):
            outcome = acme.sync()

    assert_as_undisturbed(acme, outcome, undisturbed)


@pytest.mark.slow
def test_a_server_that_crashes(home: Path) -> None:
    """A server of its own is killed outright, and back within seconds."""
    with embedded.running(home) as url, accounts.running(url, **SMALL) as acme:
        migrating.migrate(url)
        rule = acme.sandbox.faults.use(f"slow=1,path={rules.RECORDS}")

        def crash() -> None:
            process.wait_until(lambda: rule.struck)
            os.kill(postmaster(home), signal.SIGKILL)
            embedded.start(home)

        with beside(crash):
            outcome = acme.sync()

        assert (DONE, []) == (outcome.exit_code, outcome.failures)
        assert_is_level(acme)


# Taken over meanwhile


def test_nobody_writes_what_is_older(acme: Account, remote: Account, plug: Plug) -> None:
    """Another run came and went while this one had no connection: what this one read is old, and stays unwritten."""
    done = threading.Event()

    def overtaken() -> None:
        plug.pull()
        [newest, *_] = acme.world.imports()
        with acme.world.changing_import(newest.id) as item:
            item["filename"] = "newer.csv"
        assert acme.sync().failures == []
        done.set()
        plug.insert()

    plug.strike = Strike(overtaken, text=COMMIT, number=OPENING + 2)
    outcome = remote.sync()

    assert done.is_set()
    assert "took over" in words(outcome)
    assert outcome.exit_code in {LOCKED, PARTLY_DONE}
    assert ["succeeded", "died", "partial"] == runs(acme)
    assert_is_level(acme)


def test_another_run_is_at_work(acme: Account, remote: Account, plug: Plug) -> None:
    """The same, but it is still there: it is named, and left alone."""
    with ExitStack() as other:

        def overtaken() -> None:
            plug.pull()
            other.enter_context(lock_held(acme))
            plug.insert()

        plug.strike = Strike(overtaken, text=COMMIT, number=OPENING + 2)
        outcome = remote.sync()

    assert "is at work" in words(outcome)
    assert outcome.exit_code in {LOCKED, PARTLY_DONE}
    assert_recovers(acme)


# A database that is older than the run


OLDER = ["TRUNCATE talkdesk.sync_runs", "DROP TABLE talkdesk.sync_runs CASCADE"]


@pytest.mark.parametrize("lost", [False, True], ids=["connected", "lost"])
@pytest.mark.parametrize("damage", OLDER)
def test_a_run_that_the_database_has_forgotten(database_url: str, damage: str, *, lost: bool) -> None:
    """It has failed, whatever it had stored."""
    with accounts.running(database_url, **SMALL) as acme:

        def replaced() -> None:
            acme.command(damage)
            if lost:
                acme.command(TERMINATE)

        acme.sandbox.faults.add(faulty.meanwhile(lambda _: replaced()), path=rules.FIELDS)
        outcome = acme.sync()

        assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
        if damage in OLDER[:1]:
            assert 0 == acme.size("sync_runs")
            acme.sandbox.faults.clear()
            assert_recovers(acme)


def test_a_copy_in_its_place(database_url: str, server: postgres.Server) -> None:
    """The connection leads to a copy of before, of the same name."""
    name = make_url(database_url).database
    copy = f"CREATE DATABASE {name}_copy TEMPLATE {server.template}"
    swap = (
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
        f"ALTER DATABASE {name} RENAME TO {name}_old",
        f"ALTER DATABASE {name}_copy RENAME TO {name}",
    )

    def run(*statements: str) -> None:
        with psycopg.connect(server.url, autocommit=True) as admin:
            for statement in statements:
                admin.execute(statement.encode())

    run(copy)
    with accounts.running(database_url, **SMALL) as acme:
        acme.sandbox.faults.add(faulty.meanwhile(lambda _: run(*swap)), path=rules.FIELDS)
        outcome = acme.sync()
        acme.sandbox.faults.clear()

        assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
        assert "older than this run" in words(outcome)
        assert_recovers(acme)
    run(f"DROP DATABASE {name}_old WITH (FORCE)")


def test_sessions_that_are_ended_each_time(acme: Account) -> None:
    """One account's are, time and again; the others are synced, for the database is there."""
    others = [replace(acme, name=f"{acme.name}-{number}") for number in range(2)]
    acme.command(
        "CREATE FUNCTION public.ended() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.account = '{acme.name}' THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(1); END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER ended BEFORE UPDATE ON talkdesk.imports FOR EACH ROW EXECUTE FUNCTION public.ended()"
    )
    outcome = accounts.sync(acme, *others)
    acme.command("DROP FUNCTION public.ended() CASCADE")

    assert [acme.name] == list({failure.account for failure in outcome.failures})
    assert_recovers(acme)


# Gone for good


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["pull", "jam"])
@pytest.mark.parametrize("number", range(BEGUN, MESSAGES, 4 * EVERY))
def test_gone_for_good(acme: Account, remote: Account, plug: Plug, number: int, how: str) -> None:
    """Cut off or silent: given up in one line; what is stored is whole, and the next run closes the dead one."""
    plug.strike = Strike(getattr(plug, how), number=number)
    began = time.monotonic()
    outcome = remote.sync()

    assert time.monotonic() - began < 8
    assert words(outcome).startswith("the database cannot be reached: ")
    assert (outcome.exit_code, outcome.outcome) in {(DATABASE, "failed"), (PARTLY_DONE, "partial")}
    plug.release()
    plug.pull()  # until the server hears of it, it keeps the lock
    assert_recovers(acme)
    assert runs(acme)[1:] in (["died", "succeeded"], ["died", "partial"])


@pytest.mark.slow
def test_given_up_within_half_a_minute(remote: Account, plug: Plug) -> None:
    """With the times of real life, in the longest case: nobody says that it is gone."""
    gone: list[float] = []

    def strike() -> None:
        gone.append(time.monotonic())
        plug.jam()

    plug.strike = Strike(strike, number=60)
    outcome = remote.sync()

    assert 5 < time.monotonic() - gone[0] < GIVEN_UP_SECONDS
    assert outcome.exit_code in {DATABASE, PARTLY_DONE}


@pytest.mark.slow
def test_a_synchronous_standby_that_is_gone(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The commit that waits for it is said, and no longer waited for: the run has failed, and no account is begun."""
    monkeypatch.setattr(guard, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(guard, "STANDBY_SECONDS", 0.5)
    with embedded.running(home) as url, accounts.running(url, **SMALL) as acme:
        migrating.migrate(url)
        acme.command("ALTER SYSTEM SET synchronous_standby_names = 'nowhere'")
        acme.command("SELECT pg_reload_conf()")
        wait_until(acme, "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting <> ''")
        outcome = accounts.sync(acme, replace(acme, name="zenith"))

        assert "a commit waits for a synchronous standby that does not confirm it" in caplog.messages
        assert [session.NO_STANDBY] * 2 == [failure.message for failure in outcome.failures]
        assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
        assert ["failed"] == runs(acme)
        assert [] == acme.column("SELECT account FROM talkdesk.sync_runs WHERE account = 'zenith'")


# Up, but unable


def test_a_table_locked_by_somebody(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long transaction of somebody else is waited for, but not for ever."""
    monkeypatch.setitem(settings.PINNED, "lock_timeout", "300ms")
    with psycopg.connect(acme.url) as blocker:
        blocker.execute("LOCK TABLE talkdesk.import_records")
        outcome = acme.sync()

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert "a table is locked by somebody else: see pg_stat_activity, then try again" in words(outcome)
    assert ["succeeded", "partial"] == runs(acme)
    assert_recovers(acme)


def test_nothing_was_done_before_the_locked_table(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """To have read something is not to have synced something."""
    monkeypatch.setitem(settings.PINNED, "lock_timeout", "300ms")
    before = stored(acme)
    with psycopg.connect(acme.url) as blocker:
        blocker.execute("LOCK TABLE talkdesk.imports")
        outcome = acme.sync(only="imports")

    assert (DATABASE, "failed") == (outcome.exit_code, outcome.outcome)
    assert before == stored(acme)
    assert_recovers(acme)


def test_the_wait_for_a_lock_is_ten_seconds() -> None:
    assert "10s" == settings.PINNED["lock_timeout"]


@contextmanager
def failing(account: Account, table: str, state: str, *, times: int) -> Iterator[None]:
    """Inside, so many statements that write to the table end with this SQLSTATE."""
    name = f"failing_{uuid4().hex[:8]}"
    account.command(f"CREATE SEQUENCE public.{name}")
    account.command(
        f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('public.{name}') <= {times} THEN RAISE 'planted' USING ERRCODE = '{state}'; END IF;"
        " RETURN NULL; END $$"
    )
    account.command(
        f"CREATE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON talkdesk.{table} EXECUTE FUNCTION public.{name}()"
    )
    try:
        yield
    finally:
        account.command(f"DROP FUNCTION public.{name} CASCADE")
        account.command(f"DROP SEQUENCE public.{name}")


STATES = {
    "53100": "the database's disk is full",
    "25006": "the database is read-only",
    "XX001": "the database reported an error",
}
FAILURES = [
    *((table, "53100") for table in (*DATA, *VERSIONS, *LEDGER)),
    *(("import_records", state) for state in STATES),
]


@pytest.mark.parametrize(("table", "state"), FAILURES)
def test_a_statement_that_fails(acme: Account, table: str, state: str) -> None:
    """Wherever: one line says why, what is stored is whole, the run is closed with it, and the next one is level."""
    with failing(acme, table, state, times=1):
        outcome = acme.sync()

    assert STATES[state] in words(outcome)
    assert state in words(outcome)
    assert "planted" not in words(outcome)
    assert (outcome.exit_code, outcome.outcome) in {(DATABASE, "failed"), (PARTLY_DONE, "partial")}
    assert ["succeeded", outcome.outcome][: len(runs(acme))] == runs(acme)
    assert_recovers(acme)


@pytest.mark.parametrize("state", ["53200", "57014"])
def test_what_was_too_much_at_once_is_stored_in_parts(acme: Account, undisturbed: Counts, state: str) -> None:
    """Out of memory or of time: less of it may do."""
    with failing(acme, "import_records", state, times=1):
        outcome = acme.sync()

    assert_as_undisturbed(acme, outcome, undisturbed)


@pytest.mark.parametrize("table", ["imports", "import_records", "case_fields"])
@pytest.mark.parametrize("state", ["40P01", "40001"])
def test_what_passes_by_itself_is_tried_again(acme: Account, undisturbed: Counts, table: str, state: str) -> None:
    """A deadlock or a conflict ends one of those in it, for no fault of its own."""
    with failing(acme, table, state, times=1):
        outcome = acme.sync()

    assert_as_undisturbed(acme, outcome, undisturbed)


def test_what_does_not_pass_is_not_tried_for_ever(acme: Account) -> None:
    """Somebody deadlocks with us each time."""
    with failing(acme, "case_fields", "40P01", times=1_000_000):
        outcome = acme.sync()

    assert (PARTLY_DONE, "partial") == (outcome.exit_code, outcome.outcome)
    assert "deadlock" in words(outcome)
    assert_recovers(acme)


SMALL_DISK = """
import subprocess, sys
from contextlib import suppress
from pathlib import Path
from etl.warehouse import embedded
folder = Path(sys.argv[1])
def sync(*options):
    subprocess.run((sys.executable, "-m", "etl", "sync", "--json", *options), check=False)
subprocess.run(("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", folder), check=True)
with embedded.running(folder / "home"):
    sync("--only", "case-fields")
    with suppress(OSError), open(folder / "filler", "wb", buffering=0) as filler:
        while True: filler.write(bytes(4096))
    sync()
    (folder / "filler").unlink()
    sync()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk(acme: Account, home: Path) -> None:
    """The embedded database on a small one, mounted for these processes alone, and filled after a first sync."""
    variables = process.environment(acme) | {"TALKDESK_ETL_HOME": str(home)}
    del variables["DATABASE_URL"]
    ended = subprocess.run(
        ("/usr/bin/env", "unshare", "--mount", sys.executable, "-c", SMALL_DISK, home.parent),
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 3 == len(ended.stdout.splitlines()), ended.stderr
    first, full, last = map(json.loads, ended.stdout.splitlines())
    said = {(error["exit_code"], error["message"]) for error in full["errors"]}

    assert ["succeeded", "partial", "partial"] == [answer["outcome"] for answer in (first, full, last)]
    assert {(DATABASE, "the database's disk is full (SQLSTATE 53100, DiskFull)")} == said
    assert ([], 1) == (last["errors"], last["rejected"])
    assert len(acme.world.imports()) == last["accounts"][acme.name]["imports"]["inserted"]
