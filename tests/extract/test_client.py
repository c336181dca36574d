"""One address in, one body of JSON out, whatever lies between."""

import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from etl.errors import Interrupted, NotFound, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract import transport
from etl.extract.client import Client
from etl.extract.endpoints import CASE_FIELDS, IMPORTS
from tests.extract.certificates import certificate
from tests.extract.scripted_server import (
    TOKEN_PATH,
    ScriptedServer,
    cut,
    hang,
    reply,
    reset,
    settings_for,
    token,
    trickle,
)

GOOD = reply(200, {"a": 1})
BODY = b'{"a": 1}'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n'
TRACE = "0f3b2a10-1c5e-4222-8333-4444555566aa"
ERROR = {"code": "0400", "message": "jane@example.com is not allowed", "description": "eyJ0b2tlbi"}


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


class Fast:
    """A clock that only pauses move, and a client that lives by it."""

    def __init__(self, server: ScriptedServer, **settings: Any) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.stop = threading.Event()
        self.client = Client(settings_for(server, **settings), stop=self.stop, sleep=self.sleep, clock=lambda: self.now)

    def sleep(self, seconds: float) -> None:
        """The pause is over at once."""
        self.pauses.append(seconds)
        self.now += seconds


def real(server: ScriptedServer, **settings: Any) -> Client:
    """A client that lives by the real clock."""
    return Client(settings_for(server, **settings), stop=threading.Event())


def failure(get: Callable[[], object], kind: type[Exception]) -> str:
    """What is said when there is no answer; one line, without anybody's data."""
    with pytest.raises(kind) as caught:
        get()

    said = str(caught.value)
    assert not [word for word in ("\n", "jane", "token-1", "the-s3cret", "q=1") if word in said]
    return said


def test_plain_answer(server: ScriptedServer) -> None:
    """The request carries the token and asks for JSON, and the body comes back as it is."""
    server.steps["/x"] = [GOOD]

    assert BODY == real(server).get(f"{server.origin}/x", IMPORTS)
    headers = server.asked[-1].headers
    assert "Bearer token-1" == headers["authorization"]
    assert "application/json" == headers["accept"]
    assert "gzip, deflate" == headers["accept-encoding"]
    assert headers["user-agent"].startswith("talkdesk-etl/")


@pytest.mark.parametrize(
    "target",
    ["/x?filter=a%20eq%20'b'&cursor=%c3%a9%C3%A9=&q=1", "/x?q=100%&a=%20", "/x/%2E%2E/y", "//x", '/x?a=[{|}]\\^`"<>'],
)
def test_targets_byte_for_byte(server: ScriptedServer, target: str) -> None:
    """What a link says is asked for, without another way of quoting it."""
    server.steps[target] = [GOOD]
    client = real(server)
    client.get(client.rooted(f"http://elsewhere.example{target}"), IMPORTS)

    assert [target] == server.targets()


def test_one_connection_is_kept(server: ScriptedServer) -> None:
    """Requests one after the other share a connection, errors included."""
    server.steps["/x"] = [GOOD, reply(500, ERROR), GOOD, reply(204, b""), GOOD]
    fast = Fast(server)
    for _ in range(4):
        fast.client.get(f"{server.origin}/x", IMPORTS)

    assert 1 == server.connections


def test_closed_client(server: ScriptedServer) -> None:
    """A closed client holds no connection; a request would open another."""
    server.steps["/x"] = [GOOD]
    client = real(server)
    client.get(f"{server.origin}/x", IMPORTS)
    client.close()
    client.get(f"{server.origin}/x", IMPORTS)

    assert 2 == server.connections


def test_encodings(server: ScriptedServer) -> None:
    """Compressed, chunked, closed by the server: the body is the same."""
    packed = gzip.compress(b'{"a": 1}')
    closed = b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"a": 1}'
    server.steps["/x"] = [
        reply(200, packed, {"Content-Encoding": "gzip"}),
        CHUNKED,
        lambda connection: connection.sendall(closed),
        GOOD,
    ]
    fast = Fast(server)

    assert [BODY] * 4 == [fast.client.get(f"{server.origin}/x", IMPORTS) for _ in range(4)]
    assert [] == fast.pauses


def test_answer_without_a_body(server: ScriptedServer) -> None:
    """A 204 is nothing, and that is an answer."""
    server.steps["/x"] = [reply(204, b"")]

    assert b"null" == real(server).get(f"{server.origin}/x", IMPORTS)


HICCUPS: list[Any] = [
    *(reply(status, b"<html>", {"Content-Type": "text/html"}) for status in (408, 429, 500, 502, 503, 504, 520)),
    reply(503, b""),
    reply(200, b"<html>login</html>", {"Content-Type": "text/html"}),
    reply(200, b""),
    reply(200, b'{"a": NaN}'),
    reply(200, b'{"a": '),
    reply(200, b"\xff"),
    reply(200, b"[" * 200_000),
    reply(200, b"no gzip", {"Content-Encoding": "gzip"}),
    cut(GOOD, left=3),
    cut(reply(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"}), left=4),
    cut(CHUNKED, left=7),
    cut(b"HTTP/1.1 200 OK\r\nContent-Le", left=1),
    cut(reply(500, ERROR), left=5),
    b"SMTP ready\r\n\r\n",
    lambda connection: connection.close(),
    reset,
]


@pytest.mark.parametrize("hiccup", HICCUPS, ids=map(str, range(len(HICCUPS))))
def test_hiccups_are_survived(server: ScriptedServer, hiccup: Any) -> None:
    """What may pass by itself is tried again, and counted."""
    server.steps["/x"] = [hiccup, hiccup, GOOD]
    fast = Fast(server)

    assert BODY == fast.client.get(f"{server.origin}/x?q=1", IMPORTS)
    assert 2 == len(fast.pauses)
    assert (3, 2) == fast.client.counts[:2]


@pytest.mark.parametrize(
    ("step", "kind", "reason"),
    [
        (
            reply(503, ERROR, {"platform-tid": TRACE}),
            SourceUnavailable,
            f"/…: 503 0400 platform-tid={TRACE}; given up after",
        ),
        (reply(502, b"<html>jane"), SourceUnavailable, "/…: 502; given up after"),
        (reset, SourceUnavailable, "/…: Connection reset by peer; given up after"),
        (cut(GOOD, left=2), SourceUnavailable, "/…: the answer was cut short; given up after"),
        (cut(CHUNKED, left=7), SourceUnavailable, "/…: the answer was cut short; given up after"),
        (
            reply(200, b"<html>jane@example.com", {"Content-Type": "text/html"}),
            SourceMalformed,
            "/…: 200, but no JSON (Expecting value at character 0) in a body of text/html; given up after",
        ),
    ],
)
def test_patience_ends(server: ScriptedServer, step: Any, kind: type[Exception], reason: str) -> None:
    """Attempts are bounded in number; the last failure is told, without query and without what the body said."""
    server.steps["/x"] = [step]
    fast = Fast(server, retry_seconds=86_400)

    assert f"{reason} 8 attempts" in failure(lambda: fast.client.get(f"{server.origin}/x?q=1", IMPORTS), kind)
    assert 8 == len(server.targets())


@pytest.mark.parametrize("seconds", [0, 0.5, 10])
def test_patience_is_bounded_in_time(server: ScriptedServer, seconds: float) -> None:
    """No pause goes beyond the time that one request may be retried; without time there is one attempt."""
    server.steps["/x"] = [reply(503)]
    fast = Fast(server, retry_seconds=seconds)
    failure(lambda: fast.client.get(f"{server.origin}/x", IMPORTS), SourceUnavailable)

    assert sum(fast.pauses) <= seconds + 1e-6
    assert len(server.targets()) == 1 + len(fast.pauses)


@pytest.mark.parametrize("body", [b"{}", b"7"])
def test_any_answer_gives_patience_back(server: ScriptedServer, body: bytes) -> None:
    """After an outage, one in which no list can be found, too: the source is there again."""
    server.steps |= {"/down": [reply(503)], "/x": [reply(200, body), reply(503), GOOD]}
    fast = Fast(server)
    failure(lambda: fast.client.get(f"{server.origin}/down", IMPORTS), SourceUnavailable)
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert BODY == fast.client.get(f"{server.origin}/x", IMPORTS)


def test_a_success_in_the_end_gives_patience_back(server: ScriptedServer) -> None:
    """Another thread has given the source up in the meantime; the source is there again."""
    server.steps |= {"/down": [reply(503)], "/x": [reply(503), GOOD], "/y": [reply(503), GOOD]}
    fast = Fast(server)

    def sleep(seconds: float) -> None:
        fast.client._patience._sleep = fast.sleep
        failure(lambda: fast.client.get(f"{server.origin}/down", IMPORTS), SourceUnavailable)
        fast.now -= sum(fast.pauses)
        fast.sleep(seconds)

    fast.client._patience._sleep = sleep
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert BODY == fast.client.get(f"{server.origin}/y", IMPORTS)


def test_back_off_grows(server: ScriptedServer) -> None:
    """Pauses are drawn at random from a range that doubles."""
    server.steps["/x"] = [reply(503)]
    fast = Fast(server, retry_seconds=86_400)
    failure(lambda: fast.client.get(f"{server.origin}/x", IMPORTS), SourceUnavailable)

    assert 7 == len(set(fast.pauses))
    assert all(pause <= 0.5 * 2**number for number, pause in enumerate(fast.pauses))


NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": format_datetime(NOON + timedelta(seconds=4), usegmt=True)}, 4),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_pause_that_was_asked_for(server: ScriptedServer, status: int, headers: dict[str, str], seconds: float) -> None:
    """Retry-After counts in both its forms; a date is held against the source's own clock."""
    server.steps["/x"] = [reply(status, headers={"Date": format_datetime(NOON, usegmt=True), **headers}), GOOD]
    fast = Fast(server)
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert seconds <= fast.pauses[0] <= seconds * 1.05


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "nan", "\u00b2", "0", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_pause_that_makes_no_sense(server: ScriptedServer, text: str) -> None:
    """Anything else is as good as nothing."""
    server.steps["/x"] = [reply(429, headers={"Retry-After": text}), GOOD]
    fast = Fast(server)
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert 0 < fast.pauses[0] <= 0.5


def test_pause_that_is_too_long(server: ScriptedServer) -> None:
    """Who is asked to come back in an hour says so and goes at once."""
    server.steps["/x"] = [reply(429, headers={"Retry-After": "3600"})]
    fast = Fast(server, retry_seconds=100)

    said = failure(lambda: fast.client.get(f"{server.origin}/x", IMPORTS), SourceUnavailable)

    assert said.endswith("429; asks to wait 3600 s, TALKDESK_RETRY_SECONDS leaves 100 s")
    assert [] == fast.pauses


def test_pause_holds_for_all_threads(server: ScriptedServer) -> None:
    """Where one request was too many, the others wait, too."""
    server.steps["/x"] = [reply(429, headers={"Retry-After": "4"}), GOOD]
    server.steps["/y"] = [GOOD]
    fast = Fast(server)
    in_between: list[float] = []

    def sleep(seconds: float) -> None:
        if not in_between:
            in_between.append(seconds)
            fast.client.get(f"{server.origin}/y", IMPORTS)
        fast.sleep(seconds)

    fast.client._patience._sleep = sleep
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert [4] == [round(pause) for pause in in_between]
    assert 4 == pytest.approx(fast.pauses[0])


def test_token_that_dies(server: ScriptedServer) -> None:
    """A 401 renews the token once and repeats the request, without a pause."""
    server.steps[TOKEN_PATH] = [token("first"), token("second")]
    server.steps["/x"] = [GOOD, reply(401, ERROR), GOOD]
    fast = Fast(server)
    fast.client.get(f"{server.origin}/x", IMPORTS)

    assert BODY == fast.client.get(f"{server.origin}/x", IMPORTS)
    assert ["Bearer first", "Bearer first", "Bearer second"] == server.authorizations()
    assert [] == fast.pauses


def test_token_that_is_refused_twice(server: ScriptedServer) -> None:
    """A new token that is refused, too, is an answer."""
    server.steps["/x"] = [reply(401, ERROR)]

    said = failure(lambda: real(server).get(f"{server.origin}/x", IMPORTS), SourceRefused)

    assert "/…: 401 0400: a new token was refused, too" in said
    assert 2 == len(server.targets())


@pytest.mark.parametrize(("age", "requests"), [(0, 1), (301, 2)])
def test_forbidden(server: ScriptedServer, age: float, requests: int) -> None:
    """A 403 names the scope; only with an old token a new one is tried before."""
    server.steps["/ok"] = [GOOD]
    server.steps["/cm/meta/va/fields"] = [reply(403, ERROR)]
    fast = Fast(server)
    fast.client.get(f"{server.origin}/ok", IMPORTS)
    fast.now += age

    said = failure(lambda: fast.client.get(f"{server.origin}/cm/meta/va/fields", CASE_FIELDS), SourceRefused)

    assert "403 0400: the client lacks the scope case-fields-public:read, or the account does not allow" in said
    assert requests == len(server.targets()) - 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, SourceRefused), (404, NotFound), (406, SourceRefused), (410, NotFound), (418, SourceRefused)],
)
def test_refusals(server: ScriptedServer, status: int, kind: type[Exception]) -> None:
    """What will not pass by itself is not tried again."""
    server.steps["/x"] = [reply(status, ERROR)]

    assert f"/…: {status} 0400" in failure(lambda: real(server).get(f"{server.origin}/x?q=1", IMPORTS), kind)
    assert 1 == len(server.targets())


def test_redirect_on_the_same_origin(server: ScriptedServer) -> None:
    """A redirect that stays is followed, byte for byte."""
    server.steps["/x"] = [reply(302, headers={"Location": f"{server.origin}/y?a=%2f"})]
    server.steps["/y?a=%2f"] = [reply(308, headers={"Location": "z"})]
    server.steps["/z"] = [GOOD]

    assert BODY == real(server).get(f"{server.origin}/x", IMPORTS)
    assert ["/x", "/y?a=%2f", "/z"] == server.targets()


@pytest.mark.parametrize(
    "location",
    ["{other}/x", "//127.0.0.1:{port}/x", "https://127.0.0.1:{own}/x", "http://localhost:{own}/x", "http://[x"],
)
def test_redirect_to_another_origin(server: ScriptedServer, location: str) -> None:
    """The token does not follow to another host, port or scheme; nothing does."""
    with ScriptedServer() as other:
        other.steps["/x"] = [GOOD]
        ports = {"own": server.origin.rpartition(":")[2], "port": other.origin.rpartition(":")[2]}
        server.steps["/x"] = [reply(302, headers={"Location": location.format(other=other.origin, **ports)})]
        said = failure(lambda: real(server).get(f"{server.origin}/x", IMPORTS), SourceRefused)

    assert "302: it leads away from the API, and the token does not follow" in said
    assert (0, ["/x"]) == (other.connections, server.targets())


def test_redirects_without_end(server: ScriptedServer) -> None:
    """A ring of redirects is left."""
    server.steps["/x"] = [reply(302, headers={"Location": "/x"})]

    assert "more than 5 redirects" in failure(lambda: real(server).get(f"{server.origin}/x", IMPORTS), SourceRefused)
    assert 6 == len(server.targets())


def test_cookies_are_not_kept(server: ScriptedServer) -> None:
    """What a gateway asks to remember is forgotten."""
    server.steps["/x"] = [reply(200, {}, {"Set-Cookie": "a=b"})]
    client = real(server)
    client.get(f"{server.origin}/x", IMPORTS)
    client.get(f"{server.origin}/x", IMPORTS)

    assert "cookie" not in server.asked[-1].headers


def test_body_without_end(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over the limit is refused before it fills the memory, compressed or not."""
    monkeypatch.setattr(transport, "MAX_BODY_BYTES", 5_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    server.steps["/x"] = [reply(200, bomb, {"Content-Encoding": "gzip"}), reply(200, b" " * 6_000_000)]
    client = real(server)

    for _ in range(2):
        said = failure(lambda: client.get(f"{server.origin}/x", IMPORTS), SourceMalformed)
        assert "an answer is longer than 5000000 bytes" in said


def test_error_body_without_end(server: ScriptedServer) -> None:
    """Of an error only the beginning is read."""
    server.steps["/x"] = [reply(404, b'{"code": "' + b"x" * 1_000_000 + b'"}'), GOOD]
    client = real(server)

    failure(lambda: client.get(f"{server.origin}/x", IMPORTS), NotFound)
    assert BODY == client.get(f"{server.origin}/x", IMPORTS)
    assert client.counts.bytes < 100_000


@pytest.mark.parametrize("step", [hang(3), trickle(reply(200, b" " * 1000), every=0.05)])
def test_source_that_dawdles(server: ScriptedServer, step: Any) -> None:
    """Neither silence nor a trickle, be it of headers or of the body, holds a request beyond its time."""
    server.steps["/x"] = [step]
    client = real(server, timeout=0.3, retry_seconds=0.6)
    begun = time.monotonic()

    assert "/…: timed out; given up after" in failure(
        lambda: client.get(f"{server.origin}/x", IMPORTS), SourceUnavailable
    )
    assert time.monotonic() - begun < 2


def test_slow_body_that_arrives(server: ScriptedServer) -> None:
    """A body may take longer than one read may."""
    server.steps["/x"] = [trickle(reply(200, {"a": 1}), every=0.006)]

    assert BODY == real(server, timeout=0.3).get(f"{server.origin}/x", IMPORTS)


def test_source_that_is_not_there() -> None:
    """A refused connection is tried again, and named in the end."""
    with ScriptedServer() as server:
        settings = settings_for(server)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    here = settings.model_copy(update={"token_url": f"http://127.0.0.1:{port}/oauth/token"})
    client = Client(here, stop=threading.Event(), sleep=lambda _: None)

    said = failure(lambda: client.get(f"{server.origin}/x", IMPORTS), SourceUnavailable)

    assert f"POST 127.0.0.1:{port}/oauth/token: Connection refused; given up after 8 attempts" == said


@pytest.mark.parametrize("step", [hang(5), trickle(reply(200, b" " * 1000), every=0.1), reply(503)])
def test_stop(server: ScriptedServer, step: Any) -> None:
    """A stop ends waiting of every kind at once."""
    server.steps["/x"] = [step]
    stop = threading.Event()
    client = Client(settings_for(server, timeout=30, retry_seconds=60), stop=stop)
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()

    with pytest.raises(Interrupted):
        client.get(f"{server.origin}/x", IMPORTS)
    assert time.monotonic() - begun < 1
    with pytest.raises(Interrupted):
        client.get(f"{server.origin}/x", IMPORTS)


def test_ceiling(server: ScriptedServer) -> None:
    """Threads together keep under the requests per second."""
    server.steps["/x"] = [GOOD]
    client = real(server, requests_per_second=20)
    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.get(f"{server.origin}/x", IMPORTS), range(8)))

    assert time.monotonic() - begun >= 7 / 20


def test_ceiling_takes_nothing_of_the_time(server: ScriptedServer) -> None:
    """Waiting for one's turn or for a token is no reason to give up on a request."""
    server.steps[TOKEN_PATH] = [reply(503), token("first"), reply(503), token("second")]
    server.steps["/x"] = [GOOD, reply(401), reply(302, headers={"Location": "/y"})]
    server.steps["/y"] = [GOOD]
    fast = Fast(server, requests_per_second=0.01, timeout=5, retry_seconds=5)

    assert [BODY] * 2 == [fast.client.get(f"{server.origin}/x", IMPORTS) for _ in range(2)]
    assert fast.now >= 300


def test_counts(server: ScriptedServer) -> None:
    """Requests and bytes of all threads are counted; tokens are not."""
    server.steps["/x"] = [GOOD]
    client = real(server)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: client.get(f"{server.origin}/x", IMPORTS), range(40)))

    assert (40, 0, 40 * len('{"a": 1}')) == client.counts[:3]
    assert client.counts.seconds > 0
    assert server.connections <= 5


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_loopback_takes_no_proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What is not encrypted does not leave this machine."""
    with ScriptedServer() as proxy:
        monkeypatch.setenv(name, proxy.origin)
        server.steps["/x"] = [GOOD]
        real(server).get(f"{server.origin}/x", IMPORTS)

    assert 0 == proxy.connections


def test_netrc_is_not_read(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other credentials for the same host are not sent instead."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login jane password x\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.steps["/x"] = [GOOD]
    real(server).get(f"{server.origin}/x", IMPORTS)

    assert ["Bearer token-1"] == server.authorizations()


@pytest.fixture(name="secure_server")
def _secure_server(tmp_path: Path) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with ScriptedServer(context) as server:
        server.steps["/x"] = [GOOD]
        yield server


def test_encrypted(secure_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the right bundle all is the same over TLS: byte for byte, kept open, and within its time."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    secure_server.steps["/x?a=%2f"] = [GOOD, GOOD, GOOD, hang(3)]
    client = real(secure_server, timeout=0.5, retry_seconds=0)

    assert [BODY] * 3 == [client.get(f"{secure_server.origin}/x?a=%2f", IMPORTS) for _ in range(3)]
    assert 1 == secure_server.connections
    begun = time.monotonic()
    assert "timed out" in failure(lambda: client.get(f"{secure_server.origin}/x?a=%2f", IMPORTS), SourceUnavailable)
    assert time.monotonic() - begun < 1.5


def test_encrypted_through_a_proxy(
    secure_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy carries bytes that it cannot read; the environment is looked at once."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with ScriptedServer() as proxy:
        target = secure_server.origin.removeprefix("https://")
        proxy.steps[target] = [lambda connection: tunnel(connection, target)]
        monkeypatch.setenv("https_proxy", proxy.origin)
        client = real(secure_server)
        monkeypatch.delenv("https_proxy")

        assert BODY == client.get(f"{secure_server.origin}/x", IMPORTS)
        assert {"CONNECT"} == {asked.method for asked in proxy.asked}
        assert not [asked for asked in proxy.asked if "authorization" in asked.headers]


def test_proxy_that_is_not_there(secure_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be reached is named as the culprit."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://jane:pl4nted@127.0.0.1:{port}")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    fast = Fast(secure_server)

    said = failure(lambda: fast.client.get(f"{secure_server.origin}/x", IMPORTS), SourceUnavailable)

    assert "/oauth/token: the proxy of HTTPS_PROXY or ALL_PROXY: Connection refused" in said


def test_nothing_of_an_answer_is_logged(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Libraries do not log what the client keeps to itself: queries, tokens, broken headers and what follows them."""
    caplog.set_level(logging.DEBUG)
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\njane@example.com\r\nX: y\r\n\r\n{}"
    server.steps["/x"] = [broken, reply(503, ERROR), GOOD]
    fast = Fast(server)
    fast.client.get(f"{server.origin}/x?q=1", IMPORTS)
    fast.client.get(f"{server.origin}/x?q=1", IMPORTS)

    assert "503 0400 attempt=1 wait=" in caplog.text
    assert not [word for word in ("q=1", "jane", "token-1", "the-s3cret") if word in caplog.text]


def tunnel(connection: socket.socket, target: str) -> None:
    """Bytes go both ways until one side ends."""
    host, _, port = target.partition(":")
    with socket.create_connection((host, int(port))) as there:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=pump, args=(there, connection), daemon=True)
        back.start()
        pump(connection, there)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while more := source.recv(65536):
            target.sendall(more)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_certificate_of_a_stranger(secure_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is not waited for, and nothing is sent."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    said = failure(lambda: real(secure_server).get(f"{secure_server.origin}/x", IMPORTS), SourceRefused)

    assert "its certificate is not trusted (self-signed certificate)" in said
    assert [] == secure_server.asked
