"""Behind a pooler: in session mode all works; in transaction mode reads do, and a sync is refused before it locks."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text

from etl.commands.check import Checks, check_warehouse
from etl.config import WarehouseSettings
from etl.errors import DatabaseError
from etl.sandbox.faults import rules
from etl.sandbox.faults.answers import meanwhile
from etl.warehouse import connections, guard, migrating, session, tables
from tests.account import Account, running
from tests.chaos.process import wait_until
from tests.commands.command import Command
from tests.warehouse.pooler import Pooler, pooled

LOCKS = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()
"""
SIZES = pytest.mark.parametrize("size", [1, 2, 20])

QUESTION = "SELECT interval '36 hours' AS span, count(*) AS imports FROM imports"


@pytest.fixture
def acme(database_url: str) -> Iterator[Account]:
    """A small account that was never synced."""
    with running(database_url, imports=3, records=3) as acme:
        yield acme


@pytest.fixture
def shared(acme: Account, size: int) -> Iterator[Pooler]:
    """A pooler in transaction mode before the account's warehouse."""
    with pooled(acme.url, "transaction", size) as pooler:
        yield pooler


@SIZES
def test_a_sync_is_refused(acme: Account, shared: Pooler) -> None:
    """Nothing is locked and nothing is written, and a direct sync finds the account free."""
    for dry_run in (False, True):
        outcome = replace(acme, url=shared.url).sync(dry_run=dry_run)

        assert (6, "failed") == (outcome.exit_code, outcome.outcome)
        assert [connections.POOLED] == [failure.message for failure in outcome.failures]
        assert 0 == acme.value(LOCKS)
    assert 0 == acme.size("sync_runs")
    assert 0 == acme.sync().exit_code


@SIZES
def test_check_says_so(acme: Account, shared: Pooler) -> None:
    """With the same words, and it leaves no lock either."""
    checks = Checks()
    settings = WarehouseSettings.model_validate({"database_url": shared.url})
    check_warehouse(checks, settings, (), threading.Event())

    assert {"lock": connections.POOLED, "writing": "not tried: first lock must be right"} == {
        item.what: item.message for item in checks.items if not item.ok
    }
    assert 0 == acme.value(LOCKS)


@pytest.mark.parametrize("size", [1])
def test_many_at_once(acme: Account, shared: Pooler) -> None:
    """However the sessions are shuffled, none is taken for its own."""
    found: list[str] = []

    def sync(name: str) -> None:
        outcome = replace(acme, url=shared.url, name=name).sync()
        found.extend(failure.message for failure in outcome.failures)

    threads = [threading.Thread(target=sync, args=(f"acme{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [connections.POOLED] * 4 == found
    assert 0 == acme.value(LOCKS)


@pytest.mark.parametrize("size", [1])
def test_reads_work(acme: Account, shared: Pooler) -> None:
    """Whatever another client has set in the session that is lent to us; and what we set does not stay there."""
    assert 0 == acme.sync().exit_code
    with psycopg.connect(shared.url, autocommit=True, prepare_threshold=None) as other:
        other.execute("SET intervalstyle = 'iso_8601'")
        other.execute("SET search_path = 'pg_catalog'")
        # In a process of its own: psycopg keeps the interpreter's lock while it waits for a description, and the pooler
        # of this test could not answer.
        said = Command({"DATABASE_URL": shared.url})("query", QUESTION, "--format", "csv")
        assert (0, "span,imports\n36:00:00,3\n") == (said.code, said.out)
        assert ("iso_8601",) == other.execute("SHOW intervalstyle").fetchone()
        assert ("0",) == other.execute("SHOW lock_timeout").fetchone()


@pytest.mark.parametrize("size", [2])
def test_migrations_work(database_url: str, shared: Pooler) -> None:
    """Their lock ends with their transaction."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP SCHEMA talkdesk CASCADE")

    assert migrating.migrate(shared.url) == (None, tables.REVISION)


@SIZES
def test_session_mode(acme: Account, size: int) -> None:
    """All works, also if the pooler has one server connection and no more."""
    with pooled(acme.url, "session", size) as pooler:
        behind = replace(acme, url=pooler.url)
        first, second = behind.sync(), behind.sync()

        assert [0, 0] == [first.exit_code, second.exit_code]
        wait_until(lambda: 0 == acme.value(LOCKS))  # the pooler hangs up in its own time


def test_closing_what_is_waited_for(acme: Account) -> None:
    """Whoever waits on a connection is woken before it is freed, and nobody waits for a server that is silent."""
    connection = connections.open_engine(acme.url).connect()
    driver = connections.driver_of(connection)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(driver.execute, "SELECT pg_catalog.pg_sleep(60)")
        wait_until(lambda: driver.info.transaction_status is TransactionStatus.ACTIVE)
        connections.close(connection)

        with pytest.raises(psycopg.OperationalError):
            waiting.result(timeout=10)
    assert driver.closed


def test_another_process_than_the_session(acme: Account) -> None:
    """Should a pooler go unnoticed, no transaction runs where the lock is not."""
    with connections.open_engine(acme.url).connect() as connection:
        connection.info[connections.SESSION_PID] = -1
        with pytest.raises(DatabaseError, match="transaction mode"):
            connection.execute(text("SELECT"))


def test_a_silent_server_behind_it(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pooler still takes calls; the second session tells that its server does not answer."""
    monkeypatch.setattr(session, "RECONNECT_SECONDS", 0.5)
    monkeypatch.setattr(guard, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(guard, "NEWCOMER_SECONDS", 2)
    with pooled(acme.url, "session", 5) as pooler:
        acme.sandbox.faults.add(meanwhile(lambda _: pooler.flowing.clear()), path=rules.FIELDS)
        began = time.monotonic()
        outcome = replace(acme, url=pooler.url).sync()

        assert time.monotonic() - began < 15
        assert outcome.exit_code in {6, 8}
        assert ["cannot be reached"] == [failure.message[13:30] for failure in outcome.failures]
