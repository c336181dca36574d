"""A static server on loopback for an account's answers; its cost is measured too, so that nobody waits for it unseen.

Afterwards `/stats` says what it was asked for since the last time.
"""

import asyncio
import mmap
import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.data import answers_file, read_index

_TOKEN = {
    "access_token": "bench",
    "token_type": "Bearer",
    "expires_in": 600,
    "scope": "bulk-imports:read case-fields-public:read",
}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PAGE = re.compile(rb"[?&]page=(\d+)")
_SECONDS_TO_START = 30


class Stats(NamedTuple):
    """Pages asked for, the most that were asked for at once, and the server's own CPU seconds."""

    requests: int
    most_at_once: int
    cpu_seconds: float


class Api:
    """The address of a running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}"

    def stats(self) -> Stats:
        """What happened since the last call."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS_TO_START)
        try:
            connection.request("GET", "/stats")
            return msgspec.json.decode(connection.getresponse().read(), type=Stats)
        finally:
            connection.close()


@contextmanager
def served(folder: Path, *, delay: float = 0.0) -> Iterator[Api]:
    """Inside, the account's answers are served, each after so many seconds."""
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, delay), daemon=True)
    process.start()
    try:
        api = Api(read_index(folder).port)
        _await(api)
        yield api
    finally:
        process.terminate()
        process.join()


def _await(api: Api) -> None:
    ends = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            api.stats()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return


def _serve(folder: Path, delay: float) -> None:
    asyncio.run(_serve_forever(folder, delay))


async def _serve_forever(folder: Path, delay: float) -> None:
    index = read_index(folder)
    with answers_file(folder).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as answers:
        site = _Site(memoryview(answers), {key.encode(): place for key, place in index.answers.items()}, delay)
        server = await asyncio.get_running_loop().create_server(lambda: _Exchange(site), "127.0.0.1", index.port)
        async with server:
            await server.serve_forever()


class _Site:
    """What all connections share."""

    def __init__(self, answers: memoryview, index: dict[bytes, tuple[int, int]], delay: float) -> None:
        self.answers, self.index, self.delay = answers, index, delay
        self.requests = self.under_way = self.most_at_once = 0
        self._cpu_before = time.process_time()

    def find(self, target: bytes) -> memoryview | None:
        """The answer to the target; of the query only the page counts."""
        path, _, query = target.partition(b"?")
        page = _PAGE.search(b"?" + query) if query else None
        place = self.index.get(path + b"?page=" + page[1] if page and page[1] != b"1" else path)
        return self.answers[place[0] : place[0] + place[1]] if place else None

    def take_stats(self) -> Stats:
        cpu = time.process_time()
        stats = Stats(self.requests, self.most_at_once, cpu - self._cpu_before)
        self.requests, self.most_at_once, self._cpu_before = 0, 0, cpu
        return stats


class _Exchange(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, site: _Site) -> None:
        self._site = site
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._received) < end:
                return
            target = self._received.split(b" ", 2)[1]
            self._received = self._received[end:]
            self._answer(target)

    def _answer(self, target: bytes) -> None:
        site = self._site
        if target == b"/stats":
            self._send(_json(site.take_stats()))
        elif target == b"/oauth/token":
            self._send(_json(_TOKEN))
        else:
            site.requests += 1
            site.under_way += 1
            site.most_at_once = max(site.most_at_once, site.under_way)
            if site.delay:
                asyncio.get_running_loop().call_later(site.delay, self._send_page, target)
            else:
                self._send_page(target)

    def _send_page(self, target: bytes) -> None:
        self._site.under_way -= 1
        self._send(self._site.find(target) or b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _send(self, answer: bytes | memoryview) -> None:
        if self._transport is not None:
            self._transport.write(answer)


def _json(value: object) -> bytes:
    body = msgspec.json.encode(value)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
