"""Rows made by the worker process are those made here, and nothing hangs on that process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import EtlError, Interrupted, NotJson, SourceMalformed
from etl.jsontext import json_bytes
from etl.reading import pool
from etl.reading.pool import Bodies, Call, Flat, Pool, flatten
from etl.transform.privacy import KEEP, Privacy
from etl.transform.records import RecordFlattener
from tests.chaos.process import wait_until
from tests.json_items import objects, values

HASH = Privacy(hash_columns=frozenset({"email"}), hash_key=b"key")
BODY = b'{"total": 2, "_embedded": {"records": [{"id": "a", "email": "xyzzy", "error": {"code": 1.50}}, 7]}}'
LARGE = json_bytes([{"id": str(number), "name": "x" * 80} for number in range(100)])
records = st.lists(objects("id", "line", "status", "error", "errors", "data") | values, max_size=6)


@pytest.fixture(name="no_few", autouse=True)
def _no_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few records are no reason to make their rows here, nor to start no worker."""
    monkeypatch.setattr(pool, "FEW_BYTES", 0)
    monkeypatch.setattr(pool, "ALONE_RECORDS", 0)


@contextmanager
def beside() -> Iterator[Pool]:
    """One with a worker that is ready."""
    with Pool() as found:
        start(found)
        yield found


def start(found: Pool) -> None:
    """Afterwards there is a worker, and it is ready."""
    found.start_if_due()
    if found._worker is not None:
        wait_until(found._worker.is_ready)


def pid_of(found: Pool) -> int:
    """The worker process."""
    assert found._worker is not None
    return found._worker.pid


def is_there(pid: int) -> bool:
    """True while the process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - it may be gone by now
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def here(*bodies: bytes, privacy: Privacy = KEEP) -> Flat:
    """What it is to be, without what it cost."""
    return flatten(Call(RecordFlattener("i", privacy), bodies, more=False))._replace(seconds=0.0)


def there(found: Pool, *bodies: bytes, privacy: Privacy = KEEP) -> Flat:
    """The rows that the pool makes, without what it cost."""
    return found.flatten(RecordFlattener("i", privacy), bodies)._replace(seconds=0.0)


@pytest.fixture(name="shared", scope="module")
def _shared() -> Iterator[Pool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "ALONE_RECORDS", 0)
        with beside() as found:
            yield found


@given(records, st.sets(st.integers(0, 6)), st.integers(1, 200))
def test_rows_are_the_same_here_and_there(shared: Pool, items: list[Any], cuts: set[int], part: int) -> None:
    """Rows, errors, rejected items: all of it, whatever the pages hold, and in how many parts they went."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(items)), len(items)]
    bodies = [json_bytes({"_embedded": {"records": items[start:end]}}) for start, end in pairwise(edges)]
    gathered = Bodies(shared, RecordFlattener("i"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "FEW_BYTES", 0)
        patch.setattr(pool, "PART_BYTES", part)
        for body in bodies:
            gathered.add(body)
        found = gathered.flatten()

    assert here(*bodies) == found._replace(seconds=0.0)


@pytest.mark.parametrize("privacy", [KEEP, HASH, Privacy("drop")])
def test_privacy_goes_along(shared: Pool, privacy: Privacy) -> None:
    """What may not be kept does not come back."""
    found = there(shared, BODY, privacy=privacy)

    assert here(BODY, privacy=privacy) == found
    assert (privacy is KEEP) == (b"xyzzy" in bytes(found.rows[0]))


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html>", NotJson), (b"7", SourceMalformed), (b'{"_embedded": {"a": [], "b": []}}', SourceMalformed)],
)
def test_errors_come_back(shared: Pool, body: bytes, kind: type[Exception]) -> None:
    """They are raised as they would be here, and the worker goes on."""
    with pytest.raises(kind) as caught_here:
        here(body)
    with pytest.raises(kind) as caught:
        there(shared, body)

    assert (str(caught_here.value), type(caught_here.value)) == (str(caught.value), type(caught.value))
    assert here(BODY) == there(shared, BODY)


def test_the_unexpected_is_named_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text may quote somebody's data."""

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("jane@example.com")

    monkeypatch.setattr(pool, "flatten", fail)
    answer = pool._answer(Call(RecordFlattener("i"), [b"[]"], more=False))

    assert isinstance(answer, EtlError)
    assert "unexpected ZeroDivisionError while flattening records" == str(answer)


def test_few_records_need_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts after so many records, and not before."""
    monkeypatch.setattr(pool, "ALONE_RECORDS", 150)
    started = []
    with Pool() as found:
        for _ in range(3):
            there(found, LARGE)
            found.start_if_due()
            started.append(found._worker is not None)

    assert [False, True, True] == started


def test_small_imports_need_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are; and where there is one, they are not sent there."""
    monkeypatch.setattr(pool, "FEW_BYTES", len(BODY) + 1)
    monkeypatch.setattr(pool, "ALONE_RECORDS", 1)
    with Pool() as found:
        for _ in range(3):
            there(found, BODY)
        found.start_if_due()
        assert found._worker is None
    monkeypatch.setattr(pool, "ALONE_RECORDS", 0)
    with beside() as found:
        os.kill(pid_of(found), signal.SIGSTOP)
        assert here(BODY) == there(found, BODY)


def test_nobody_waits_until_it_is_ready() -> None:
    """Starting takes it some tenths of a second."""
    with Pool() as found:
        found.start_if_due()
        os.kill(pid_of(found), signal.SIGSTOP)
        assert here(BODY) == there(found, BODY)


def test_many_threads_ask_at_once_whether_it_is_ready() -> None:
    with Pool() as found, ThreadPoolExecutor(8) as threads:
        found.start_if_due()
        flats = list(threads.map(lambda _: there(found, BODY), range(2_000)))
        assert found._worker is not None
        wait_until(found._worker.is_ready)
    assert flats == [here(BODY)] * 2_000


def test_whoever_waits_for_a_killed_worker_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Calls that had queued up behind each other are all made here, and it is said once."""
    with beside() as found, ThreadPoolExecutor(8) as threads:
        there(found, BODY)
        os.kill(pid := pid_of(found), signal.SIGSTOP)
        waiting = [threads.submit(there, found, BODY) for _ in range(8)]
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)

        assert [here(BODY)] * 8 == [each.result(timeout=20) for each in waiting]
    assert 1 == len(caplog.messages)


def test_it_ends_with_the_pool() -> None:
    """No process is left."""
    with beside() as found:
        there(found, BODY)
        pid = pid_of(found)
        assert is_there(pid)

    assert not is_there(pid)


def test_signals_to_all_of_us_leave_it_alone() -> None:
    """A terminal's SIGINT, a service manager's SIGTERM: who started it says when it ends."""
    with beside() as found:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid_of(found), number)

        assert here(BODY) == there(found, BODY)
        assert found._worker is not None


def test_a_killed_worker_costs_nothing_but_time(caplog: pytest.LogCaptureFixture) -> None:
    """What it had is flattened here, as is all that follows, from where the last part left off; it is said once."""
    with beside() as found:
        first = found.flatten(RecordFlattener("i"), [BODY], more=True)
        os.kill(pid_of(found), signal.SIGKILL)
        assert first.following is not None
        second = found.flatten(first.following, [BODY])
        found.start_if_due()

        assert here(BODY, BODY).rows == first.rows + second.rows
        assert here(BODY) == there(found, BODY)
        assert found._worker is None
    assert ["ended before its time" in record.message for record in caplog.records] == [True]


def test_a_worker_that_computes_for_ever_fails_its_import_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one goes on with the others; what was late is not tried here."""
    monkeypatch.setattr(pool, "DEADLINE_SECONDS", 0.3)
    with beside() as found:
        pid = pid_of(found)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(SourceMalformed, match=r"^its records were not flattened within 0 s$"):
            there(found, BODY)
        assert not is_there(pid)
        monkeypatch.undo()
        monkeypatch.setattr(pool, "FEW_BYTES", 0)
        monkeypatch.setattr(pool, "ALONE_RECORDS", 0)
        start(found)

        assert pid != pid_of(found)
        assert here(BODY) == there(found, BODY)


def test_worker_after_worker_that_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some of them nothing is flattened any more: the run ends in bounded time."""
    monkeypatch.setattr(pool, "DEADLINE_SECONDS", 0.1)
    monkeypatch.setattr(pool, "MAX_LATE", 2)
    with Pool() as found:
        for _ in range(2):
            start(found)
            os.kill(pid_of(found), signal.SIGSTOP)
            with pytest.raises(SourceMalformed, match="within"):
                there(found, BODY)
        found.start_if_due()

        assert found._worker is None
        with pytest.raises(SourceMalformed, match="2 imports before it took too long"):
            there(found, BODY)


def test_a_large_import_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is in proportion to what is asked."""
    monkeypatch.setattr(pool, "DEADLINE_SECONDS", 0.0)
    monkeypatch.setattr(pool, "SECONDS_PER_MEGABYTE", 60 / (len(LARGE) / 1e6))
    with beside() as found:
        assert here(LARGE) == there(found, LARGE)


@pytest.mark.parametrize("error", [FileNotFoundError, BlockingIOError, MemoryError])
def test_where_no_process_can_be_had(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """All is flattened here."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with beside() as found:
        assert here(BODY) == there(found, BODY)


def test_a_worker_that_cannot_go_on_is_noticed() -> None:
    """Whoever waits for its answer flattens here."""
    with beside() as found:
        assert found._worker is not None
        found._worker._questions.write(b"no question")
        found._worker._questions.flush()
        wait_until(lambda: not is_there(pid_of(found)))

        assert here(BODY) == there(found, BODY)


def test_nothing_is_flattened_after_the_end() -> None:
    """A thread that nobody waits for any more begins nothing, here or there."""
    with beside() as found:
        found.__exit__()
        with pytest.raises(Interrupted):
            there(found, BODY)
    with Pool() as found:
        found.__exit__()
        with pytest.raises(Interrupted):
            there(found, BODY)


def test_it_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment nor among its arguments."""
    monkeypatch.setenv("TALKDESK_CLIENT_SECRET", "planted-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:planted-secret@db/w")
    with beside() as found:
        there(found, BODY, privacy=HASH)
        known = [Path(f"/proc/{pid_of(found)}/{name}").read_bytes() for name in ("environ", "cmdline")]

    assert not [text for text in known if b"planted-secret" in text]


@pytest.mark.parametrize("name", ["etl.py", "json.py", "sitecustomize.py", "encodings.py"])
def test_files_that_lie_about_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It imports what we did, whatever the folder is in which cron called us."""
    (tmp_path / name).write_text("raise SystemExit(1)", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    with beside() as found:
        assert here(BODY) == there(found, BODY)
        assert found._worker is not None


def test_paths_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's start-up code has put a Path among them; Python passes over it, and so does the sync."""
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    with beside() as found:
        assert here(BODY) == there(found, BODY)
        assert found._worker is not None


COMPUTES = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have it ignored
from etl.reading import pool
from etl.transform.records import RecordFlattener
pool.ALONE_RECORDS = pool.FEW_BYTES = 0
with pool.Pool() as found:
    found.start_if_due()
    while not found._worker.is_ready(): time.sleep(0.01)
    body = b"[" + b"{}," * 300_000 + b"{}]"
    print(found._worker.pid, flush=True)
    while True: found.flatten(RecordFlattener("i"), [body] * 20)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGHUP])
@pytest.mark.parametrize("stopped", [False, True], ids=["computes", "is stopped"])
def test_it_ends_with_its_user_however_that_ends(number: signal.Signals, stopped: bool) -> None:  # noqa: FBT001
    """Also in the middle of its work, and where it does not get to run."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", COMPUTES)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as user:
        assert user.stdout is not None
        pid = int(user.stdout.readline())
        time.sleep(0.3)
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        user.send_signal(number)
        wait_until(lambda: not is_there(pid))


def test_it_is_lean() -> None:
    """What it imports is what it holds in memory: neither network nor database, no settings, no OpenSSL."""
    program = "import sys, etl.reading.pool; print(*sys.modules)"
    found = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)

    heavy = {"requests", "sqlalchemy", "psycopg", "pydantic", "click", "hashlib", "concurrent.futures"}
    assert set() == heavy & set(found.stdout.split())
