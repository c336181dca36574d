"""A cron monitor learns when a sync begins and what it came to; whatever it does itself changes nothing."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.account import Account
from tests.commands.command import Command


class Monitor(BaseHTTPRequestHandler):
    """What was posted; `way` is how it answers."""

    seen: ClassVar[list[tuple[str, dict[str, list[str]], Any]]] = []
    way: ClassVar[str] = "well"

    def do_POST(self) -> None:
        """Note it, and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.seen.append((parts.path, parse_qs(parts.query), json.loads(body) if body else None))
        if self.way == "garbage":
            self.wfile.write(b"\x00no HTTP at all\r\n")
            return
        if self.way == "hangs":
            time.sleep(20)
        self.send_response(500 if self.way == "fails" else 200)
        self.end_headers()
        with_drops = self.way == "drips"
        for _ in range(200 if with_drops else 0):
            time.sleep(0.1)
            self.wfile.write(b".")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def monitor() -> Iterator[str]:
    """The address of a monitor that has seen nothing."""
    Monitor.seen, Monitor.way = [], "well"
    with ThreadingHTTPServer(("127.0.0.1", 0), Monitor) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a-secret-uuid"
        server.shutdown()


def command(account: Account, url: str, **more: str) -> Command:
    settings = account.settings
    return Command(
        {
            "DATABASE_URL": account.url,
            "TALKDESK_ACCOUNT": "acme",
            "TALKDESK_API_URL": settings.api_url,
            "TALKDESK_TOKEN_URL": settings.token_url,
            "TALKDESK_CLIENT_ID": "sandbox",
            "TALKDESK_CLIENT_SECRET": "sandbox",
            "TALKDESK_PING_URL": url,
            **more,
        }
    )


def test_it_learns_of_the_beginning_and_the_end(acme: Account, monitor: str) -> None:
    """Under one number a call, and with the summary that --json prints."""
    done = command(acme, f"{monitor}/")("sync", "--json")
    (begun, number, nothing), (ended, same, summary) = Monitor.seen

    assert (0, "/a-secret-uuid/start", "/a-secret-uuid/0", None) == (done.code, begun, ended, nothing)
    assert number == same
    assert done.json == summary


@pytest.mark.parametrize(
    ("more", "code"), [({"TALKDESK_CLIENT_SECRET": "wrong"}, 4), ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, 6)]
)
def test_it_learns_of_what_went_wrong(acme: Account, monitor: str, more: dict[str, str], code: int) -> None:
    assert code == command(acme, monitor, **more)("sync", "-q").code
    assert [f"/a-secret-uuid/{what}" for what in ("start", code)] == [path for path, *_ in Monitor.seen]


def test_it_learns_that_the_account_was_busy(acme: Account, monitor: str) -> None:
    import psycopg  # noqa: PLC0415 - this test alone

    with psycopg.connect(acme.url) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('talkdesk-etl acme', 0))")
        assert 7 == command(acme, monitor)("sync", "-q").code
    assert ["/a-secret-uuid/start", "/a-secret-uuid/log"] == [path for path, *_ in Monitor.seen]


def test_a_dry_run_tells_nobody(acme: Account, monitor: str) -> None:
    assert 0 == command(acme, monitor)("sync", "--dry-run").code
    assert [] == Monitor.seen


@pytest.mark.parametrize("way", ["fails", "garbage", "hangs", "drips", "away"])
def test_a_monitor_changes_nothing(acme: Account, monitor: str, way: str) -> None:
    """Not the exit code; it is said once at most, without its address, and nobody waits for it."""
    Monitor.way = way
    begun = time.monotonic()
    done = command(acme, "http://127.0.0.1:1/a-secret-uuid" if way == "away" else monitor)("sync", "-q")

    assert (0, "") == (done.code, done.out)
    assert (0 if way == "drips" else 1) == len(done.err.splitlines())
    assert "secret" not in done.err
    assert time.monotonic() - begun < 25


def test_an_address_that_will_not_do(acme: Account) -> None:
    done = command(acme, "http://example.com/a-secret-uuid")("sync")
    assert (2, 1) == (done.code, len(done.err.splitlines()))
    assert "TALKDESK_PING_URL: should be https" in done.err
    assert "secret" not in done.err
