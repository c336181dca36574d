"""An answer belongs to its question, whatever bytes a server sends; fails where a release of the libraries differs."""

import gzip
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from etl.errors import SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract.client import Client
from etl.extract.endpoints import IMPORTS
from etl.extract.framing import MAX_INTERIM_ANSWERS
from tests.extract.certificates import certificate
from tests.extract.scripted_server import TOKEN_PATH, ScriptedServer, reply, settings_for, token

BODY, NEXT_BODY = b'{"a": 1}', b'{"b": 2}'
GOOD = reply(200, BODY)
NEXT = reply(200, NEXT_BODY)
STRAY = reply(200, {"stray": True})
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nContent-Length: 44\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%s\r\n%s"
GOOD_CHUNKS = b'8\r\n{"a": 1}\r\n0\r\n\r\n'


@pytest.fixture(name="server", params=["plain", "tls"])
def _server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ScriptedServer]:
    context = None
    if request.param == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(tmp_path))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with ScriptedServer(context) as server:
        server.steps["/next"] = [NEXT]
        yield server


def client_of(server: ScriptedServer, **settings: Any) -> Client:
    """A client that waits for nothing."""
    return Client(settings_for(server, **settings), stop=threading.Event(), sleep=lambda _: None)


def head(*lines: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"HTTP/{version} 200 OK", *lines, "", ""]).encode()


@pytest.mark.parametrize("path", ["/x", TOKEN_PATH])
@pytest.mark.parametrize(
    "interim",
    [
        HINTS,
        HINTS * MAX_INTERIM_ANSWERS,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + HINTS,
        b"HTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 103\r\n\r\n",
    ],
    ids=["103", "many", "100, 102, 103", "199", "no reason"],
)
def test_interim_answers_are_read_over(server: ScriptedServer, path: str, interim: bytes) -> None:
    """The final answer is the answer, and the connection is kept."""
    server.steps["/x"] = [GOOD]
    server.steps[path] = [interim + (token() if path == TOKEN_PATH else GOOD)]
    client = client_of(server)

    assert BODY == client.get(f"{server.origin}/x", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)
    assert (1, 0) == (server.connections, client.counts.retries)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (HINTS * (MAX_INTERIM_ANSWERS + 1), "more than 64 interim answers"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", "it went over to another protocol"),
    ],
)
def test_interim_answers_that_are_none(server: ScriptedServer, before: bytes, reason: str) -> None:
    """They end the connection; what follows them is nobody's answer."""
    server.steps["/x"] = [before + STRAY]
    client = client_of(server)

    with pytest.raises(SourceMalformed, match=reason):
        client.get(f"{server.origin}/x", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


def test_interim_answers_in_drops(server: ScriptedServer) -> None:
    """Their time is the exchange's."""

    def drip(connection: Any) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            time.sleep(0.1)

    server.steps["/x"] = [drip]
    client = client_of(server, timeout=1, retry_seconds=0)
    begun = time.monotonic()

    with pytest.raises(SourceUnavailable, match="timed out"):
        client.get(f"{server.origin}/x", IMPORTS)
    assert time.monotonic() - begun < 3


LEFT = {
    "two answers": GOOD + STRAY,
    "half an answer": GOOD + STRAY[:30],
    "a line end": GOOD + b"\r\n",
    "longer than said": GOOD + b"]}",
    "after the last chunk": CHUNKED % (b"", GOOD_CHUNKS) + STRAY,
    "chunked and a length": CHUNKED % (b"Content-Length: 3\r\n", GOOD_CHUNKS) + STRAY,
    "chunked in HTTP/1.0": head("Transfer-Encoding: chunked", "Connection: keep-alive", version="1.0") + GOOD_CHUNKS,
    "an interim answer": GOOD + HINTS,
}


@pytest.mark.parametrize("answer", LEFT.values(), ids=LEFT)
def test_bytes_left_behind(server: ScriptedServer, answer: bytes) -> None:
    """The answer stands; its connection is used no more."""
    server.steps["/x"] = [answer]
    client = client_of(server)

    assert BODY == client.get(f"{server.origin}/x", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)
    assert (2, 0) == (server.connections, client.counts.retries)


@pytest.mark.parametrize("status", [204, 304, 205, 206])
@pytest.mark.parametrize("length", [True, False])
def test_body_after_a_status_that_has_none(server: ScriptedServer, status: int, length: bool) -> None:  # noqa: FBT001
    """It is nobody's answer."""
    lines = f"Content-Length: {len(STRAY)}\r\n" if length else ""
    server.steps["/x"] = [f"HTTP/1.1 {status} Said\r\n{lines}Connection: keep-alive\r\n\r\n".encode() + STRAY]
    client = client_of(server, timeout=0.5, retry_seconds=0)

    with nullcontext() if status == HTTPStatus.NO_CONTENT else pytest.raises(SourceRefused, match=f": {status}$"):
        assert b"null" == client.get(f"{server.origin}/x", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


def test_bytes_on_a_connection_that_rests(server: ScriptedServer) -> None:
    """What arrives between two exchanges is the answer to neither."""
    late = threading.Event()

    def answer_twice(connection: Any) -> None:
        connection.sendall(GOOD)
        time.sleep(0.1)
        connection.sendall(STRAY)
        late.set()
        time.sleep(1)

    server.steps["/x"] = [answer_twice]
    client = client_of(server)
    client.get(f"{server.origin}/x", IMPORTS)
    late.wait()

    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


CONTRADICTIONS = {
    "two lengths": (head("Content-Length: 8", "Content-Length: 5"), "length"),
    "two lengths in one": (head("Content-Length: 8, 5"), "length"),
    "negative length": (head("Content-Length: -7"), "length"),
    "length with a sign": (head("Content-Length: +8"), "length"),
    "length with an underscore": (head("Content-Length: 0_8"), "length"),
    "length beyond all": (head("Content-Length: " + "9" * 5_000), "length"),
    "empty length": (head("Content-Length: "), "length"),
    "gzip, chunked": (head("Transfer-Encoding: gzip, chunked"), "transfer encoding"),
    "chunked twice": (head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), "transfer encoding"),
    **{
        f"chunk of {size!r}": (head("Transfer-Encoding: chunked") + size + b"\r\n", "size of a chunk")
        for size in (b"-5", b"-1", b"+8", b"0x8", b"0_8", b"", b"xyz", b"F" * 32, b"8" * 70_000, "٨".encode())
    },
}


@pytest.mark.parametrize(("begin", "reason"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_answers_that_contradict_themselves(server: ScriptedServer, begin: bytes, reason: str) -> None:
    """Nobody can say where they end: they are no answers, and their connection is closed."""
    server.steps["/x"] = [begin + b'{"a": 1}' + STRAY]
    client = client_of(server)

    with pytest.raises(SourceMalformed, match=f"the answer cannot be read: .*{reason}"):
        client.get(f"{server.origin}/x", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


@pytest.mark.parametrize("length", ["8, 8", "8\r\nContent-Length: 8", "08"])
def test_lengths_that_agree(server: ScriptedServer, length: str) -> None:
    """The same length twice is a length."""
    server.steps["/x"] = [lambda connection: connection.sendall(head(f"Content-Length: {length}") + b'{"a": 1}')]

    assert BODY == client_of(server).get(f"{server.origin}/x", IMPORTS)


@pytest.mark.parametrize("end", [b"HTTP/1.1 404 Not Found\r\n", b"HTTP/1.1 204 No Content\r\nServer: x\r\n"])
def test_headers_cut_short(server: ScriptedServer, end: bytes) -> None:
    """Half of an answer is none, also where its status would be enough."""
    server.steps["/x"] = [lambda connection: connection.sendall(end)]

    with pytest.raises(SourceUnavailable, match="the answer was cut short"):
        client_of(server).get(f"{server.origin}/x", IMPORTS)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 2OO OK\r\n\r\n{}",
        b"HTTP/1.1 20 OK\r\n\r\n{}",
        b"HTTP/1.1 " + b"2" * 40 + b" OK\r\n\r\n{}",
        b"HTTP/1.1 000 Zero\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b'{"a": 1}',
        b"HTTP/1.1 200 OK\r\nContent-Type",
    ],
)
def test_status_lines_that_are_none(server: ScriptedServer, answer: bytes) -> None:
    """An error of the source that names the address, and nothing of it is read by the next request."""
    server.steps["/bulk-imports"] = [lambda connection: connection.sendall(answer)]
    client = client_of(server)

    with pytest.raises(SourceUnavailable, match=r"^GET 127.0.0.1:\d+/bulk-imports: "):
        client.get(f"{server.origin}/bulk-imports", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


@pytest.mark.parametrize(
    "lines",
    [[f"X-{number}: y" for number in range(101)], ["X: " + "y" * 70_000]],
    ids=["101", "70,000 bytes"],
)
@pytest.mark.parametrize("status", [200, 103])
def test_too_many_headers(server: ScriptedServer, status: int, lines: list[str]) -> None:
    """Said at once: the next answer would have as many."""
    server.steps["/x"] = ["\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode() + GOOD]
    client = client_of(server)

    with pytest.raises(SourceMalformed, match=r"its headers are more than 100, or longer than 65536 bytes$"):
        client.get(f"{server.origin}/x", IMPORTS)
    assert ["/x"] == server.targets()


@pytest.mark.parametrize("kind", [ValueError, AttributeError, UnicodeError, RecursionError, KeyError])
def test_anything_that_libraries_let_out(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """It is an error of this exchange, with its place; what it says stays out."""

    def fail(*_: object, **__: object) -> None:
        raise kind("jane@example.com")

    server.steps["/bulk-imports"] = [GOOD]
    client = client_of(server)
    client.tokens.token()
    with monkeypatch.context() as patch:
        patch.setattr("urllib3.response.HTTPResponse.read", fail)
        with pytest.raises(
            SourceMalformed, match=rf"/bulk-imports: the answer cannot be read \({kind.__name__}\); giv"
        ):
            client.get(f"{server.origin}/bulk-imports", IMPORTS)
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


def test_memory_that_runs_out(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of this exchange, too, and not tried again."""
    server.steps["/bulk-imports"] = [GOOD]
    client = client_of(server)
    client.tokens.token()
    with monkeypatch.context() as patch:
        patch.setattr("urllib3.response.HTTPResponse.read", lambda *_, **__: [0] * sys.maxsize)
        with pytest.raises(SourceMalformed, match=r"/bulk-imports: the answer does not fit into memory$"):
            client.get(f"{server.origin}/bulk-imports", IMPORTS)

    assert ["/bulk-imports"] == server.targets()
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


BOMBS = {
    "lists": b"[" + b"[]," * 30_000_000 + b"[]]",
    "blanks": b" " * 90_000_000,
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_bodies_out_of_proportion(server: ScriptedServer, body: bytes) -> None:
    """Refused at once, and the bound is named; asked for once."""
    server.steps["/bulk-imports"] = [reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})]
    client = client_of(server)

    with pytest.raises(SourceMalformed, match=r"/bulk-imports: an answer unpacks to more than 200 times what arrived"):
        client.get(f"{server.origin}/bulk-imports", IMPORTS)
    assert ["/bulk-imports"] == server.targets()
    assert NEXT_BODY == client.get(f"{server.origin}/next", IMPORTS)


@pytest.mark.parametrize("records", [1_000, 25_000])
def test_repetitive_bodies(server: ScriptedServer, records: int) -> None:
    """Records that are nothing but the names of empty columns are no bomb."""
    cells = ",".join(f'"Custom attribute number {number}":""' for number in range(40))
    body = "[{}]".format(",".join(f'{{"id":"r{number}","data":{{{cells}}}}}' for number in range(records))).encode()
    server.steps["/x"] = [reply(200, gzip.compress(body), {"Content-Encoding": "gzip"})]

    assert body == client_of(server).get(f"{server.origin}/x", IMPORTS)
