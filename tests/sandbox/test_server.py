"""Starting and stopping: quick, quiet, alone on its port, and ended by signals."""

import logging
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from etl.errors import UsageError
from etl.sandbox import Sandbox, World, running
from tests.sandbox.caller import Caller

PROGRAM = """
from etl.sandbox import serve
serve(ready=lambda sandbox: print(sandbox.url, flush=True), imports=2, live=0.01)
"""


def test_start_and_stop_are_quick() -> None:
    """A test can afford a sandbox of its own."""
    started = time.monotonic()
    for _ in range(10):
        with running(imports=1):
            pass

    assert time.monotonic() - started < 2


def test_several_run_side_by_side() -> None:
    """Each has its port, its world and its log."""
    with running(imports=1) as one, running(imports=2) as other:
        assert one.url != other.url
        assert [1, 2] == [Caller(each).get("/bulk-imports/users").json()["total"] for each in (one, other)]
        assert [2, 2] == [len(each.requests) for each in (one, other)]


def test_it_is_gone_afterwards() -> None:
    """After the block nobody listens, and the port is free for the next."""
    with running(imports=1) as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        Caller(sandbox)
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url, timeout=1)
    with running(port=port, imports=1) as again:
        assert sandbox.url == again.url


def test_a_taken_port_is_said() -> None:
    """Who asks for a port in use hears of it by its number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} "), running(port=port):
            pytest.fail("it started")


def test_stopping_does_not_wait_for_who_hangs() -> None:
    """Requests that hang, crawl or wait are cut off when the sandbox stops."""
    failures: list[Exception] = []

    def ask(caller: Caller) -> None:
        try:
            caller.get("/bulk-imports/users", timeout=30)
        except requests.RequestException as failure:
            failures.append(failure)

    with running(imports=1) as sandbox:
        for place, name in enumerate(("hang", "slow=30", "drip=30")):
            sandbox.faults.use(f"{name},after={place},times=1")
        threads = [threading.Thread(target=ask, args=(Caller(sandbox),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        started = time.monotonic()
    for thread in threads:
        thread.join(5)

    assert time.monotonic() - started < 1
    assert 3 == len(failures)


def test_many_at_once(sandbox: Sandbox) -> None:
    """Changes from one thread and requests from others do not hurt each other."""
    answers: list[int] = []

    def ask() -> None:
        caller = Caller(sandbox)
        answers.extend(caller.get("/bulk-imports/users").status_code for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        sandbox.world.forget(sandbox.world.add_import())
    for thread in threads:
        thread.join()

    assert [200] * 120 == answers


def test_a_world_can_be_brought_along() -> None:
    """A world made elsewhere is the one that is served."""
    world = World(imports=3)
    with running(world=world) as sandbox:
        assert world is sandbox.world


def test_it_says_nothing(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """Neither requests nor faults are logged, and no secret stands in what is shown of it."""
    with caplog.at_level(logging.DEBUG, "uvicorn"):
        for name in ("reset", "cut", "503"):
            caller.sandbox.faults.use(f"{name},times=1")
            with pytest.raises(requests.RequestException):
                caller.get("/bulk-imports/users").raise_for_status()

    assert [] == [record for record in caplog.records if record.name.startswith("uvicorn")]
    assert "client_secret" not in repr(caller.sandbox.tokens.client)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command(pytestconfig: pytest.Config, number: signal.Signals) -> None:
    """The foreground server ends well within a second, without a word, also while it moves by itself."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, cwd=pytestconfig.rootpath, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        url = str(process.stdout and process.stdout.readline().strip())
        assert requests.get(f"{url}/bulk-imports/users", timeout=5).status_code == 401

        started = time.monotonic()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=5)

    assert time.monotonic() - started < 1
    assert (0, "") == (process.returncode, rest)


@pytest.mark.parametrize("without", [False, True])
def test_without_links_to_records(without: bool) -> None:  # noqa: FBT001 - of the sandbox
    """An error file is left, and so it is on the command line."""
    with running(imports=1, no_records_link=without) as sandbox:
        ((item,),) = Caller(sandbox).get("/bulk-imports/users").json()["_embedded"].values()

    assert without == ("records" not in item["_links"])
