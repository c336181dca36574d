"""Pages flattened in the process beside us are those flattened here, and nothing hangs on that process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import EtlError, Interrupted, NotJson, SourceMalformed
from etl.jsontext import json_bytes
from etl.packing import unpack_record
from etl.reading.worker import pool, serve
from etl.reading.worker.messages import Channel, Question
from etl.reading.worker.page import FlatPage, flatten
from etl.reading.worker.pool import Flattening, ProcessEnded
from etl.transform.privacy import KEEP, Privacy
from etl.transform.records import RecordFlattener
from tests.chaos.process import wait_until
from tests.json_items import objects, values

HASH = Privacy(hash_columns=frozenset({"email"}), hash_key=b"key")
BODY = b'{"total": 2, "_embedded": {"records": [{"id": "a", "email": "x", "error": {"code": 1.50}}, 7]}}'
records = st.lists(objects("id", "line", "status", "error", "errors", "data") | values, max_size=6)


def beside(privacy: Privacy = KEEP, channels: int = 2) -> Flattening:
    """One that flattens nothing here."""
    found = Flattening(privacy, channels=channels)
    found._start()
    if found._process is not None:
        wait_until(found._is_ready)
    return found


def pid_of(found: Flattening) -> int:
    """The process beside us."""
    assert found._process is not None
    return found._process.pid


def is_there(pid: int) -> bool:
    """True while the process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - it may be gone by now
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def first_key(page: FlatPage) -> str:
    """The key of the first record."""
    return unpack_record(page.rows[0]).record_key


def size(page: FlatPage) -> int:
    """How many items were on the page."""
    return len(page.rows) + len(page.rejected)


def comparable(page: FlatPage) -> FlatPage:
    """The page without what flattening it cost."""
    return page._replace(seconds=0.0)


@pytest.fixture(name="there", scope="module")
def _there() -> Iterator[Flattening]:
    with beside() as there:
        yield there


@given(records, st.sets(st.integers(0, 6)))
def test_pages_are_the_same_here_and_there(there: Flattening, items: list[Any], cuts: set[int]) -> None:
    """Rows, errors, rejected items: all of it, whatever the pages hold."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(items)), len(items)]
    bodies = [json_bytes({"_embedded": {"records": items[start:end]}}) for start, end in pairwise(edges)]
    flattener = RecordFlattener("i")

    with there.pages_of("i") as flat:
        found = [flat(body) for body in bodies]

    assert [comparable(flatten(flattener, body)) for body in bodies] == [comparable(page) for page in found]


@pytest.mark.parametrize("privacy", [KEEP, HASH, Privacy("drop")])
def test_privacy_goes_along(privacy: Privacy) -> None:
    """What may not be kept does not come back."""
    with beside(privacy) as there, there.pages_of("i") as flat:
        found = flat(BODY)

    assert comparable(flatten(RecordFlattener("i", privacy), BODY)) == comparable(found)
    assert (privacy is KEEP) == (b'"x"' in unpack_record(found.rows[0]).data)


def test_each_import_begins_anew(there: Flattening) -> None:
    """Keys and positions are those of one import."""
    pages = []
    for _ in range(2):
        with there.pages_of("i") as flat:
            pages += [flat(BODY), flat(BODY)]

    assert ["id:a", "position:2", "id:a", "position:2"] == [first_key(page) for page in pages]


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html>", NotJson), (b"7", SourceMalformed), (b'{"_embedded": {"a": [], "b": []}}', SourceMalformed)],
)
def test_errors_come_back(there: Flattening, body: bytes, kind: type[Exception]) -> None:
    """They are raised as they would be here, and the page may be asked for again: nothing of it is counted."""
    with pytest.raises(kind) as here:
        flatten(RecordFlattener("i"), body)
    with there.pages_of("i") as flat:
        with pytest.raises(kind) as caught:
            flat(body)
        again = flat(BODY)

    assert (str(here.value), type(here.value)) == (str(caught.value), type(caught.value))
    assert "id:a" == first_key(again)


def test_the_unexpected_is_named_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text may quote somebody's data."""

    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError("jane@example.com")

    monkeypatch.setattr(serve, "flatten", fail)
    answer = serve._answer(RecordFlattener("i"), Question(b"[]", None))
    assert (None, "ZeroDivisionError", "") == answer


def test_the_unexpected_is_raised(there: Flattening, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of ours, which has a line and an exit code."""
    monkeypatch.setattr(pool, "ERRORS", {})
    with there.pages_of("i") as flat, pytest.raises(EtlError, match="unexpected NotJson while flattening records"):
        flat(b"<html>")


def test_few_records_need_no_process() -> None:
    """It starts with the first import after so many records, and not before."""
    number = pool.ALONE_RECORDS // 2 + pool.RECORDS_PER_QUESTION
    body = json_bytes([{"line": line} for line in range(number)])
    started = []
    with Flattening(KEEP, channels=1) as found:
        for _ in range(3):
            with found.pages_of("i") as flat:
                flat(body)
            started.append(found._process is not None)

    assert [False, False, True] == started


def test_small_pages_need_no_process() -> None:
    """However many they are."""
    body = json_bytes([{"line": number} for number in range(pool.RECORDS_PER_QUESTION)])
    with Flattening(KEEP, channels=1) as found:
        for _ in range(pool.ALONE_RECORDS // pool.RECORDS_PER_QUESTION + 2):
            with found.pages_of("i") as flat:
                flat(body)

        assert found._process is None


def test_nobody_waits_until_it_is_ready() -> None:
    """Starting takes it some tenths of a second."""
    with Flattening(KEEP, channels=1) as found:
        found._start()
        os.kill(pid_of(found), signal.SIGSTOP)
        with found.pages_of("i") as flat:
            assert (2, 1) == (size(flat(BODY)), len(found._idle))
        os.kill(pid_of(found), signal.SIGCONT)
        wait_until(found._is_ready)
        with found.pages_of("i") as flat:
            assert (2, 0) == (size(flat(BODY)), len(found._idle))


def test_it_ends_with_its_user() -> None:
    """No process is left."""
    with beside() as there:
        with there.pages_of("i") as flat:
            flat(BODY)
        pid = pid_of(there)
        assert is_there(pid)

    assert not is_there(pid)


def test_signals_to_all_of_us_leave_it_alone() -> None:
    """A terminal's SIGINT, a service manager's SIGTERM: who started it says when it ends."""
    with beside() as there, there.pages_of("i") as flat:
        flat(BODY)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid_of(there), number)

        assert 2 == size(flat(BODY))


def test_a_killed_process_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """Its pages are to be flattened anew, here, and that is said once."""
    with beside() as there:
        with there.pages_of("i") as flat:
            flat(BODY)
            os.kill(pid_of(there), signal.SIGKILL)
            with pytest.raises(ProcessEnded):
                flat(BODY)
        there.give_up()
        there.give_up()
        with there.pages_of("i") as flat:
            assert "id:a" == first_key(flat(BODY))

    assert 1 == len(caplog.records)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (subprocess, "Popen", FileNotFoundError),
        (subprocess, "Popen", BlockingIOError),
        (subprocess, "Popen", MemoryError),
        (socket, "socketpair", OSError),
    ],
)
def test_where_no_process_can_be_had(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: type[Exception]
) -> None:
    """All is flattened here."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(owner, name, refuse)
    with beside() as there, there.pages_of("i") as flat:
        assert 2 == size(flat(BODY))


def test_what_it_cannot_go_on_after_ends_it() -> None:
    """Whoever waits for an answer notices."""
    with beside() as there:
        with there.pages_of("i") as flat:
            flat(BODY)
        there._idle[0]._send("no question")
        wait_until(lambda: not is_there(pid_of(there)))
        with there.pages_of("i") as flat, pytest.raises(ProcessEnded):
            flat(BODY)


def test_a_channel_that_was_left_in_the_middle_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer belongs to the import that asked."""

    def fail(_: Channel) -> NoReturn:
        raise MemoryError

    with beside(channels=1) as there:
        with monkeypatch.context() as patch, there.pages_of("a") as flat:
            patch.setattr(Channel, "_receive", fail)
            with pytest.raises(MemoryError):
                flat(BODY)

        assert [] == there._idle
        with there.pages_of("b") as flat:
            assert "id:b" == first_key(flat(b'[{"id": "b"}]'))


def test_who_comes_after_the_end() -> None:
    """A thread that nobody waits for any more begins no import, and does not read its own once more."""
    with beside() as there, there.pages_of("i") as flat:
        flat(BODY)
        there.__exit__()
        with pytest.raises(ProcessEnded):
            flat(BODY)
        there.give_up()
        with pytest.raises(Interrupted):
            there.pages_of("i").__enter__()


def test_nothing_is_flattened_here_after_the_end() -> None:
    """Else a thread that nobody waits for would ask for all further pages of its import."""
    with Flattening(KEEP, channels=1) as found, found.pages_of("i") as flat:
        flat(BODY)
        found.__exit__()
        with pytest.raises(Interrupted):
            flat(BODY)


def test_it_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in its environment nor among its arguments."""
    monkeypatch.setenv("TALKDESK_CLIENT_SECRET", "planted-secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:planted-secret@db/w")
    with beside(HASH) as there, there.pages_of("i") as flat:
        flat(BODY)
        known = [Path(f"/proc/{pid_of(there)}/{name}").read_bytes() for name in ("environ", "cmdline")]

    assert not [text for text in known if b"planted-secret" in text]


@pytest.mark.parametrize("name", ["etl.py", "json.py", "sitecustomize.py", "encodings.py"])
def test_files_that_lie_about_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It imports what we did, whatever the folder is in which cron called us."""
    (tmp_path / name).write_text("raise SystemExit(1)", encoding="ascii")
    monkeypatch.chdir(tmp_path)
    with beside() as there, there.pages_of("i") as flat:
        assert 2 == size(flat(BODY))


def test_paths_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's start-up code has put a Path among them; Python passes over it, and so does the sync."""
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    with beside() as there, there.pages_of("i") as flat:
        assert 2 == size(flat(BODY))


def test_it_does_not_outlive_a_killed_user() -> None:
    """Nobody is there to end it, and it ends."""
    program = (
        "import time\n"
        "from etl.transform.records import KEEP\n"
        "from etl.reading.worker.pool import Flattening\n"
        "there = Flattening(KEEP, channels=2)\n"
        "there._start()\n"
        "while not there._is_ready(): time.sleep(0.01)\n"
        "with there.pages_of('i') as flat:\n"
        "    flat(b'[]')\n"
        "    print(there._process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with ExitStack() as stack:
        user = stack.enter_context(
            subprocess.Popen(
                (sys.executable, "-c", program),
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        )
        stack.callback(user.kill)
        assert user.stdout is not None
        pid = int(user.stdout.readline())
        user.kill()
        wait_until(lambda: not is_there(pid))


def test_it_is_lean() -> None:
    """What it imports is what it holds in memory: neither network nor database, no settings, no OpenSSL."""
    program = "import sys, etl.reading.worker.serve; print(*sys.modules)"
    found = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)

    heavy = {"requests", "sqlalchemy", "psycopg", "pydantic", "click", "hashlib", "concurrent.futures"}
    assert set() == heavy & set(found.stdout.split())
