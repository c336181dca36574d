"""A sync whose records are flattened in a process beside it stores the same, and outlives that process."""

import os
import signal
import threading
import time
from typing import Any

import pytest

from etl.reading import pool
from etl.reading.pool import Pool
from etl.sandbox.faults.answers import answer, meanwhile
from tests.account import RECORDS, Account, changes, sync
from tests.chaos.process import wait_until
from tests.expected import require_level


@pytest.fixture(name="started", autouse=True)
def _started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started: with the first import, which waits until they are ready."""
    started: list[Any] = []
    start = Pool.start_if_due

    def start_and_wait(self: Pool) -> None:
        before = self._worker
        start(self)
        if self._worker is not None and self._worker is not before:
            started.append(self._worker._process)
            wait_until(self._worker.is_ready)

    def enter_and_start(self: Pool) -> Pool:
        self.start_if_due()
        return self

    monkeypatch.setattr(pool, "ALONE_RECORDS", 0)
    monkeypatch.setattr(pool, "FEW_BYTES", 0)
    monkeypatch.setattr(Pool, "start_if_due", start_and_wait)
    monkeypatch.setattr(Pool, "__enter__", enter_and_start)
    return started


def test_the_same_is_stored(acme: Account, started: list[Any]) -> None:
    """First and again; one process a sync, and none afterwards."""
    outcome = acme.sync()

    require_level(acme)
    assert ("succeeded", {}) == (outcome.outcome, changes(acme.sync(full=True)))
    assert [-signal.SIGKILL] * 2 == [process.returncode for process in started]


def test_where_the_time_went(acme: Account) -> None:
    """The other process's seconds of flattening are counted, too."""
    traffic = acme.sync().accounts[0].resources["import_records"].traffic

    assert traffic.flatten_seconds > 0


def test_a_killed_process_costs_nothing_but_time(
    acme: Account, started: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Its import is flattened here, like all that follow; it is said once."""
    killed: list[int] = []

    def kill(_: object) -> None:
        if started and not killed:
            killed.append(started[0].pid)
            os.kill(started[0].pid, signal.SIGKILL)

    acme.sandbox.faults.add(meanwhile(kill), path=RECORDS.pattern)
    outcome = acme.sync()

    require_level(acme)
    assert ("succeeded", 0, 1) == (outcome.outcome, outcome.exit_code, len(killed))
    assert 1 == sum("ended before its time" in record.message for record in caplog.records)


def test_an_import_that_takes_for_ever_fails_alone(
    acme: Account, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names it; another process goes on with the others, and the next sync brings it over."""
    stopped: list[int] = []

    def stop(_: object) -> None:
        if started and not stopped:
            stopped.append(started[0].pid)
            os.kill(started[0].pid, signal.SIGSTOP)

    monkeypatch.setattr(pool, "DEADLINE_SECONDS", 1.0)
    rule = acme.sandbox.faults.add(meanwhile(stop), path=RECORDS.pattern)
    outcome = acme.sync()

    (failure,) = outcome.failures
    assert (8, "import_records") == (outcome.exit_code, failure.resource)
    assert "its records were not flattened within 1 s" == failure.message
    assert 2 == len(started)
    acme.sandbox.faults.remove(rule)
    assert 0 == acme.sync().exit_code
    require_level(acme)


def test_pages_that_are_no_json_are_asked_for_again(acme: Account) -> None:
    """A proxy's words in place of some page of records."""
    acme.sandbox.faults.add(answer(b"<html>", media_type="text/html"), path=RECORDS.pattern, after=2, times=1)
    outcome = acme.sync()

    require_level(acme)
    assert "succeeded" == outcome.outcome
    assert 1 == outcome.accounts[0].resources["import_records"].traffic.retries


def test_a_page_without_a_list_fails_its_import_alone(acme: Account) -> None:
    """The message says which page it was."""
    acme.sandbox.faults.add(answer(b"7"), path=RECORDS.pattern, times=1)
    outcome = acme.sync()

    (failure,) = outcome.failures
    assert (8, "import_records") == (outcome.exit_code, failure.resource)
    assert failure.message.startswith("GET 127.0.0.1:")
    assert failure.message.endswith("/records: neither an array nor an object but a int")


def test_a_stop_ends_it(acme: Account, started: list[Any]) -> None:
    """Whatever it is doing, nobody waits for it."""
    stop = threading.Event()
    acme.sandbox.faults.add(meanwhile(lambda _: stop.set()), path=RECORDS.pattern, after=3)
    began = time.monotonic()
    outcome = sync(acme, stop=stop)

    assert (130, "interrupted") == (outcome.exit_code, outcome.outcome)
    assert 3 > time.monotonic() - began
    assert [-signal.SIGKILL] == [process.returncode for process in started]
