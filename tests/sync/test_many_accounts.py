"""Accounts side by side: none waits for another, each has its turn when it is due, and nobody takes it twice."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from etl.commands.summary import summary
from etl.errors import DONE, DatabaseError, Interrupted, OutOfTime
from etl.sandbox.faults import rules
from etl.sync import accounts as syncing
from etl.sync import turns
from etl.sync.accounts import Call
from etl.sync.turns import Turns
from etl.warehouse import ledger
from etl.warehouse.connections import open_engine
from tests.account import Account, running, sync
from tests.chaos.level import assert_level
from tests.chaos.process import wait_until

HOUR = timedelta(hours=1)
ENDED = "SELECT account FROM talkdesk.sync_runs WHERE outcome = 'succeeded' ORDER BY finished_at"
BEGUN = "SELECT account FROM talkdesk.sync_runs ORDER BY started_at"
LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"


def several(acme: Account, number: int) -> list[Account]:
    """So many accounts, all read from the same source."""
    return [replace(acme, name=f"acme-{each}") for each in range(number)]


def names(accounts: Sequence[Account]) -> list[str]:
    return [account.name for account in accounts]


def aged(acme: Account, hours: dict[str, int]) -> None:
    """The runs of these accounts began so many hours ago."""
    for name, number in hours.items():
        change = "UPDATE talkdesk.sync_runs SET started_at = now() - make_interval(hours => %s) WHERE account = %s"
        acme.change(change, number, name)


@pytest.fixture
def stuck(acme: Account) -> Iterator[Account]:
    """An account whose records never come."""
    with running(acme.url, name="stuck") as stuck:
        stuck.sandbox.faults.use(f"hang,path={rules.RECORDS}")
        yield stuck


# Side by side


def test_nobody_waits_for_one_that_hangs(acme: Account, stuck: Account) -> None:
    """The others are level; the one is stopped when its time is over, goes on next time, and says so."""
    healthy = several(acme, 5)
    outcome = sync(stuck, *healthy, jobs=2, limit=timedelta(seconds=4))

    assert ["stuck", *names(healthy)] == [account.account for account in outcome.accounts]
    assert {OutOfTime.exit_code: ["stuck"]} == {
        failure.exit_code: [account.account for account in outcome.accounts if account.failures]
        for failure in outcome.failures
    }
    assert ("partial", 8) == (outcome.outcome, outcome.exit_code)
    assert "stopped after 4 s" in outcome.failures[0].message
    assert ["partial"] == acme.column("SELECT outcome FROM talkdesk.sync_runs WHERE account = 'stuck'")
    assert set(names(healthy)) == set(acme.column(ENDED))
    for account in healthy:
        assert_level(account.sandbox, account.url, account.name)
    stuck.sandbox.faults.clear()
    assert DONE == sync(stuck).exit_code
    assert_level(stuck.sandbox, stuck.url, stuck.name)


def test_many_of_one_run(acme: Account) -> None:
    """They have the run's name in common, and none ends the session of another."""
    accounts = several(acme, 8)

    assert ["succeeded"] * 8 == [account.outcome for account in sync(*accounts, jobs=4).accounts]
    assert 1 == acme.value("SELECT count(DISTINCT run_id) FROM talkdesk.sync_runs")
    assert DONE == sync(*accounts, jobs=4, full=True, dry_run=True).exit_code


def test_many_are_told_of_together(acme: Account) -> None:
    """A dozen by name, more of them in all: cron sends it by mail."""
    few, many = (sync(*several(acme, number), jobs=4, only="case-fields") for number in (2, 13))

    assert ["acme-0", "acme-0", "acme-1", "acme-1"] == [line.split()[0] for line in summary(few).splitlines()[1:-1]]
    told = [line.split() for line in summary(many).splitlines()[1:-1]]
    assert [["13", "accounts", "case_fields"], ["13", "accounts", "case_field_entries"]] == [line[:3] for line in told]
    assert sum(account.resources["case_fields"].counts.read for account in many.accounts) == int(told[0][3])


def test_a_stop_ends_them_all(acme: Account, stuck: Account) -> None:
    """Those under way close their runs, and those that had no turn say that they had none."""
    stop, stuck_too = threading.Event(), replace(stuck, name="stuck-too")
    timer = threading.Timer(1.5, stop.set)
    timer.start()
    outcome = sync(stuck, stuck_too, acme, jobs=2, stop=stop)

    assert ["interrupted"] * 3 == [account.outcome for account in outcome.accounts]
    assert Interrupted.exit_code == outcome.exit_code
    assert ["interrupted"] * 2 == acme.column("SELECT outcome FROM talkdesk.sync_runs")


def test_a_database_that_is_gone(acme: Account) -> None:
    """One account that cannot reach it may have bad luck; as many in a row as have their turns at once do not."""
    gone = DatabaseError("gone")
    waiting = Turns(
        open_engine(acme.url),
        [account.settings for account in several(acme, 9)],
        jobs=2,
        due=None,
        stop=threading.Event(),
    )
    for reason, ended in [(gone, None), (None, None), (gone, None), (gone, gone)]:
        waiting.note(reason)

        assert ended is waiting.ended
    assert [] == list(waiting)
    assert 9 == len(waiting.left)


# Only those that are due


def test_not_due_and_not_asked(acme: Account) -> None:
    """What was synced lately is skipped: no request, no row, no error."""
    accounts = several(acme, 3)
    assert [] == sync(*accounts, due=HOUR).skipped
    again = sync(*accounts, due=HOUR)

    assert (DONE, "succeeded", names(accounts)) == (again.exit_code, again.outcome, again.skipped)
    assert not acme.sandbox.requests
    assert 3 == acme.size("sync_runs")
    said = again.to_json()
    assert ({}, names(accounts)) == (said["accounts"], said["skipped"])


def test_however_long_ago(acme: Account) -> None:
    """Nobody is due who ever had a turn."""
    accounts = several(acme, 2)
    sync(accounts[0])
    outcome = sync(*accounts, due=timedelta.max)

    assert (DONE, ["acme-0"]) == (outcome.exit_code, outcome.skipped)


def test_the_stalest_first(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever never had a turn, then by the last start: accounts that fail each time come last like others."""
    monkeypatch.setattr(turns, "FEW", 1)
    accounts = several(acme, 4)
    sync(*accounts[:3])
    aged(acme, {"acme-0": 2, "acme-1": 5, "acme-2": 3})
    acme.change("UPDATE talkdesk.sync_runs SET outcome = 'failed' WHERE account = 'acme-1'")

    assert [] == sync(*accounts, due=HOUR).skipped
    assert ["acme-3", "acme-1", "acme-2", "acme-0"] == acme.column(BEGUN)[3:]


def test_a_run_that_died(acme: Account) -> None:
    """It began lately, but nobody holds its lock: the account is due."""
    sync(acme)
    acme.change("UPDATE talkdesk.sync_runs SET outcome = 'running'")
    outcome = sync(acme, due=HOUR)

    assert ([], "succeeded") == (outcome.skipped, outcome.outcome)
    assert ["died", "succeeded"] == acme.column("SELECT outcome FROM talkdesk.sync_runs ORDER BY started_at")


def test_one_that_is_at_work_is_skipped_at_once(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in the list already, or when its lock is taken in between; without --due it would be a 7."""
    accounts = several(acme, 2)
    with psycopg.connect(acme.url) as other:
        other.execute(LOCK, ("talkdesk-etl acme-0",))
        assert ["acme-0"] == sync(*accounts, due=HOUR).skipped

        monkeypatch.setattr(ledger, "due_accounts", lambda _, left, *__: [*left][:1])
        began = time.monotonic()
        outcome = sync(accounts[0], due=HOUR)

        assert time.monotonic() - began < 1.5
        assert (DONE, ["acme-0"]) == (outcome.exit_code, outcome.skipped)
        assert 7 == sync(accounts[0]).exit_code
    assert 1 == acme.size("sync_runs")


def test_looked_at_again_under_the_lock(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine may have synced it since the list was read."""
    sync(acme)
    monkeypatch.setattr(ledger, "due_accounts", lambda _, left, *__: [*left][:1])

    assert ["acme"] == sync(acme, due=HOUR).skipped
    assert not acme.sandbox.requests
    assert 1 == acme.size("sync_runs")


def test_the_list_cannot_be_read(acme: Account) -> None:
    """Then every account that had no turn says why."""
    acme.command("ALTER TABLE talkdesk.sync_runs RENAME TO away")
    outcome = sync(*several(acme, 2), due=HOUR)

    assert [DatabaseError.exit_code] * 2 == [failure.exit_code for failure in outcome.failures]


def test_two_machines_share_the_accounts(acme: Account) -> None:
    """Each account is synced once, whoever does it."""
    accounts = several(acme, 10)
    done: list[int] = []
    machines = [
        threading.Thread(target=lambda: done.append(sync(*accounts, due=HOUR, jobs=2).exit_code)) for _ in range(2)
    ]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()

    assert [DONE, DONE] == done
    assert sorted(names(accounts)) == sorted(acme.column(BEGUN))
    assert ["succeeded"] == acme.column("SELECT DISTINCT outcome FROM talkdesk.sync_runs")


def test_its_time_begins_with_its_turn(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long others took before."""
    real = Call.sync_account

    def slowly(call: Call, *arguments: object) -> object:
        time.sleep(0.7)
        return real(call, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(syncing.Call, "sync_account", slowly)

    assert DONE == sync(*several(acme, 3), limit=timedelta(seconds=2), only="case-fields").exit_code
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "stops"])
