"""SIGTERM and Ctrl-C end a run within two seconds, whatever it waits for; it ends with 130 and the next is level.

CHAOS_SIGNALS=100 in the environment sends a hundred at random instants.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Connection

from etl import load
from etl.commands.signals import INTERRUPTED
from etl.errors import DONE, Interrupted
from etl.sandbox.faults import rules
from etl.sync import accounts as runner
from etl.sync import pipeline
from etl.sync.run import AccountRun
from etl.warehouse import embedded
from etl.warehouse.embedded import locks, places
from tests import account as accounts
from tests.account import Account
from tests.chaos.level import assert_level
from tests.chaos.plug import plugged
from tests.chaos.process import PATIENCE, Sync, slowness, wait_until
from tests.launcher import is_alive

SECONDS = 2.0
INSTANTS = int(os.environ.get("CHAOS_SIGNALS", "6"))
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'talkdesk-etl ') AND wait_event_type = 'Lock'
"""

signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


@pytest.fixture
def acme(shared_url: str) -> Iterator[Account]:
    """An account that was never synced."""
    name = f"acme-{uuid4().hex[:12]}"
    with accounts.running(shared_url, name=name, imports=7, records=5) as acme:
        yield acme


def runs(account: Account) -> list[str]:
    """How the account's runs ended, the first one first."""
    return account.column("SELECT outcome FROM talkdesk.sync_runs WHERE account = %s ORDER BY started_at", account.name)


def assert_interrupted(sync: Sync, seconds: float) -> None:
    """It ended in time, with its code and one JSON object that says so."""
    code, answer = sync.answer()

    assert seconds < SECONDS * slowness()
    assert (Interrupted.exit_code, "interrupted") == (code, answer["outcome"])
    assert [] == [error for error in answer["errors"] if error["exit_code"] != Interrupted.exit_code]


def assert_level_next(account: Account, *before: str) -> None:
    """The next run ends level, after runs that ended like this."""
    account.sandbox.faults.clear()
    outcome = account.sync()

    assert (DONE, []) == (outcome.exit_code, outcome.failures)
    assert [*before, "succeeded"] == runs(account)
    assert_level(account.sandbox, account.url, account.name)


# While the source is waited for


@pytest.mark.parametrize(
    ("number", "fault", "path"),
    [
        (signal.SIGTERM, "hang", rules.TOKEN),
        (signal.SIGINT, "hang", rules.IMPORTS),
        (signal.SIGTERM, "hang", rules.RECORDS),
        (signal.SIGINT, "hang", rules.FIELDS),
        (signal.SIGTERM, "drip=0.4", rules.RECORDS),
        (signal.SIGINT, "429=60", rules.RECORDS),
        (signal.SIGTERM, "503=empty", rules.RECORDS),
    ],
)
def test_waiting_for_the_source(acme: Account, number: int, fault: str, path: str) -> None:
    """For an answer, for the next drop of one, or for the time at which to ask again."""
    rule = acme.sandbox.faults.use(f"{fault},path={path}")
    sync = Sync(acme)
    wait_until(lambda: rule.struck)
    time.sleep(0.2)

    assert_interrupted(sync, sync.send(number))
    assert_level_next(acme, "interrupted")


# While the database is waited for


@contextmanager
def locked(account: Account, table: str) -> Iterator[None]:
    """Inside, somebody's transaction holds the table."""
    with psycopg.connect(account.url) as connection:
        connection.execute(f"LOCK TABLE talkdesk.{table}".encode())
        yield


@pytest.mark.parametrize(
    ("number", "table"),
    [(signal.SIGTERM, "imports"), (signal.SIGINT, "import_records"), (signal.SIGTERM, "case_fields")],
)
def test_waiting_for_a_lock(acme: Account, number: int, table: str) -> None:
    """The statement is cancelled, so that the run can be closed over the same connection."""
    with locked(acme, table):
        sync = Sync(acme)
        wait_until(lambda: acme.value(WAITING))

        assert_interrupted(sync, sync.send(number))
    assert_level_next(acme, "interrupted")


@signals
def test_waiting_for_another_sync(acme: Account, number: int) -> None:
    """The lock of the account is a lock like others."""
    with psycopg.connect(acme.url) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"talkdesk-etl {acme.name}",))
        sync = Sync(acme)
        wait_until(lambda: acme.value(WAITING))

        assert_interrupted(sync, sync.send(number))
    assert_level_next(acme)


def test_the_ledger_is_locked(acme: Account) -> None:
    """Then the run cannot be closed, and the next one says that it died."""
    rule = acme.sandbox.faults.use(f"hang,path={rules.RECORDS}")
    sync = Sync(acme)
    wait_until(lambda: rule.struck)
    with locked(acme, "sync_runs"):
        assert_interrupted(sync, sync.send(signal.SIGTERM))
    assert_level_next(acme, "died")


def test_the_database_never_answers(acme: Account) -> None:
    """Who waits for a connection is as free to go."""
    with plugged(acme.url) as plug:
        plug.jam()
        sync = Sync(replace(acme, url=plug.url))
        wait_until(lambda: plug.messages)

        assert_interrupted(sync, sync.send(signal.SIGTERM))
    assert_level_next(acme)


@pytest.mark.parametrize("how", ["jam", "pull"])
def test_the_database_is_away(acme: Account, how: str) -> None:
    """Silent or gone in mid-run: nobody waits until it is given up."""
    with plugged(acme.url) as plug:
        rule = acme.sandbox.faults.use(f"slow=0.5,path={rules.RECORDS}")
        sync = Sync(replace(acme, url=plug.url))
        wait_until(lambda: rule.struck)
        getattr(plug, how)()
        time.sleep(1)

        assert_interrupted(sync, sync.send(signal.SIGTERM))
        plug.release()
    assert_level_next(acme, "died")


def test_work_that_does_not_notice(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its statements a cancel finds nothing to cancel: the connection is cut, and made anew for the ledger."""
    real, stop = load.replace_records, threading.Event()

    def dawdle(connection: Connection, *arguments: Any) -> Any:
        stop.set()
        for _ in range(300):
            time.sleep(0.01)
            connection.exec_driver_sql("SELECT 1")
        return real(connection, *arguments)

    monkeypatch.setattr(load, "replace_records", dawdle)
    began = time.monotonic()
    outcome = accounts.sync(acme, stop=stop)

    assert time.monotonic() - began < SECONDS * slowness()
    assert (Interrupted.exit_code, "interrupted") == (outcome.exit_code, outcome.outcome)
    assert 1 == len(outcome.failures)
    monkeypatch.undo()
    assert_level_next(acme, "interrupted")


FIRST_ARE_SLOW = """
    CREATE SEQUENCE public.calls;
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF nextval('public.calls') <= 3 THEN PERFORM pg_sleep(30); END IF; RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON talkdesk.import_records FOR EACH ROW EXECUTE FUNCTION public.slow();
"""


def test_what_a_stop_cancels_is_no_fault_of_the_item(database_url: str) -> None:
    """As often as a statement is cancelled, nothing of its transaction is kept, and no row is rejected for it."""
    with accounts.running(database_url, imports=3, records=1) as acme:
        acme.command(FIRST_ARE_SLOW)
        stop = threading.Event()
        at_work = threading.Thread(target=accounts.sync, args=[acme], kwargs={"stop": stop})
        at_work.start()
        wait_until(lambda: acme.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        stop.set()
        at_work.join()

        assert ["interrupted"] == runs(acme)
        assert (0, 0) == (acme.size("rejected_items"), acme.size("import_records"))
        acme.command("DROP FUNCTION public.slow CASCADE")
        assert_level_next(acme, "interrupted")


# At any time


@signals
def test_before_anything_has_begun(acme: Account, number: int) -> None:
    """From the first line of the program on."""
    sync = Sync(acme)
    wait_until(sync.is_listening)

    assert_interrupted(sync, sync.send(number))


@signals
@pytest.mark.parametrize("delay", [0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3])
def test_while_it_is_being_loaded(acme: Account, number: int, delay: float) -> None:
    """Modules are imported, and code that is being imported shall neither swallow the signal nor print it."""
    sync = Sync(acme, "verify", "--json")
    wait_until(sync.is_listening)
    time.sleep(delay)
    sync.process.send_signal(number)
    said, complaints = sync.process.communicate(timeout=PATIENCE)

    assert (Interrupted.exit_code, "interrupted") == (sync.process.returncode, json.loads(said)["outcome"])
    assert ["talkdesk-etl: interrupted"] == complaints.splitlines()


EARLIEST = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "etl.commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module("etl", run_name="__main__")
"""


def test_before_our_handler_is_there() -> None:
    """It ends without a word: Python's own handler would print a traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", EARLIEST, "--version"], capture_output=True, timeout=PATIENCE, check=False
    )

    assert (-signal.SIGINT, b"", b"") == (ended.returncode, ended.stdout, ended.stderr)


def test_codes_agree() -> None:
    """The module that is loaded first imports nothing, the errors included."""
    assert Interrupted.exit_code == INTERRUPTED


@pytest.mark.parametrize("seed", range(INSTANTS))
def test_at_random_instants(acme: Account, seed: int) -> None:
    """Either the run is closed as interrupted, or it is too late: at the very end Python itself ends by the signal."""
    rng = Random(seed)  # noqa: S311 - the same signal for the same seed
    acme.sandbox.faults.use("slow=0.02")
    sync = Sync(acme)
    wait_until(sync.is_listening)
    time.sleep(rng.uniform(0, 1))
    number = rng.choice([signal.SIGTERM, signal.SIGINT])
    seconds = sync.send(number)
    code, answer = sync.answer()

    assert seconds < SECONDS * slowness()
    assert (answer["outcome"] == "interrupted") == (code == Interrupted.exit_code), (code, answer)
    assert code in {DONE, Interrupted.exit_code, -number}
    assert runs(acme) in ([], [answer["outcome"]])
    assert_level_next(acme, *runs(acme))


def test_the_second_signal_ends_it_at_once(acme: Account) -> None:
    """Whoever is in a hurry need not wait for the ledger."""
    rule = acme.sandbox.faults.use(f"hang,path={rules.RECORDS}")
    sync = Sync(acme)
    wait_until(lambda: rule.struck)
    with locked(acme, "sync_runs"):
        sync.process.send_signal(signal.SIGINT)
        time.sleep(0.3)

        assert sync.send(signal.SIGINT) < 0.5
    assert Interrupted.exit_code == sync.finish()
    assert_level_next(acme, "died")


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGTERM, ("query", "SELECT pg_sleep(60)")),
        (signal.SIGTERM, ("verify", "--json")),
        (signal.SIGINT, ("check", "--json")),
    ],
)
def test_other_commands(acme: Account, number: int, arguments: tuple[str, ...]) -> None:
    """They end as quickly."""
    rule = acme.sandbox.faults.use("hang")
    sync = Sync(acme, *arguments)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    wait_until(lambda: rule.struck or acme.value(sleeping))

    assert sync.send(number) < SECONDS * slowness()
    assert Interrupted.exit_code == sync.finish()


def test_accounts_that_were_not_begun(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop right after the first account is no success: the second one was not synced, and is in the answer."""
    stop = threading.Event()

    def sync_and_stop(run: AccountRun) -> None:
        pipeline.sync_account(run)
        stop.set()

    monkeypatch.setattr(runner, "sync_account", sync_and_stop)
    outcome = accounts.sync(acme, replace(acme, name=f"{acme.name}-2"), stop=stop)

    assert ["succeeded", "interrupted"] == [account.outcome for account in outcome.accounts]
    assert (Interrupted.exit_code, "interrupted") == (outcome.exit_code, outcome.outcome)


# With the embedded database


def embedded_sync(account: Account, home: Path) -> Sync:
    """A sync that names no database."""
    return Sync(account, DATABASE_URL="", TALKDESK_ETL_HOME=str(home))


@pytest.mark.parametrize("delay", [0, 0.2, 0.4, 0.6, 0.8])
def test_while_the_embedded_database_is_made(acme: Account, home: Path, delay: float) -> None:
    """Wherever in its making: the next run finds nothing in its way."""
    sync = embedded_sync(acme, home)
    wait_until(sync.is_listening)
    time.sleep(delay)
    assert_interrupted(sync, sync.send(signal.SIGTERM))
    code, answer = embedded_sync(acme, home).answer()

    assert (DONE, []) == (code, answer["errors"])
    assert not is_alive(home)


def test_while_somebody_else_starts_the_embedded_database(acme: Account, home: Path) -> None:
    """Whoever starts it may take long."""
    places.make_home(home)
    with locks.locked(home / "start.lock"):
        sync = embedded_sync(acme, home)
        wait_until(sync.is_listening)
        time.sleep(1)

        assert_interrupted(sync, sync.send(signal.SIGTERM))


@signals
def test_while_the_embedded_database_is_used(acme: Account, home: Path, number: int) -> None:
    """It is stopped in the same two seconds."""
    rule = acme.sandbox.faults.use(f"hang,path={rules.RECORDS}")
    sync = embedded_sync(acme, home)
    wait_until(lambda: rule.struck)

    assert_interrupted(sync, sync.send(number))
    assert not is_alive(home)
    with embedded.running(home) as url:
        assert_level_next(replace(acme, url=url), "interrupted")
