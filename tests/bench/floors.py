"""The parts of the job alone: what nobody who does the whole of it can be quicker than.

Each function is one measurement, to be run in a process of its own; it says the seconds of the part itself.
"""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import requests

from tests.bench.data import answers_file, read_index
from tests.bench.packing import HEADER, TRAILER
from tests.bench.shapes import SHAPES, Shape


class Stopwatch:
    """Seconds between the start and the end of a `with`."""

    seconds = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started


def fetch_with_requests(folder: Path) -> float:
    """Every page over one requests session, used as its documentation shows, nothing done with it."""
    index = read_index(folder)
    with requests.Session() as session, Stopwatch() as watch:
        for target in index.answers:
            session.get(index.address + target, timeout=60).content  # noqa: B018 - read to its end
    return watch.seconds


def fetch_with_http_client(folder: Path) -> float:
    """Every page over one connection of the standard library's plain client, nothing done with it."""
    index = read_index(folder)
    connection = http.client.HTTPConnection("127.0.0.1", index.port, timeout=60)
    with Stopwatch() as watch:
        for target in index.answers:
            connection.request("GET", target)
            connection.getresponse().read()
    connection.close()
    return watch.seconds


def parse(folder: Path) -> float:
    """Every body into Python's objects."""
    with Stopwatch() as watch:
        for _, body in bodies(folder):
            msgspec.json.decode(body)
    return watch.seconds


def flatten(folder: Path, name: str) -> float:
    """Every record into rows for binary COPY, which are kept in a file for the load floors."""
    shape = SHAPES[name]
    with ready_rows(folder, shape).open("wb") as rows, Stopwatch() as watch:
        rows.write(HEADER)
        for target, body in bodies(folder):
            if "/records" in target:
                rows.write(_rows(shape, target.split("/")[3], body))
        rows.write(TRAILER)
    return watch.seconds


def ready_rows(folder: Path, shape: Shape) -> Path:
    """Where the flattened records of an account are."""
    return folder / f"rows-{shape.name}"


def bodies(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The answers' bodies with their targets; what was just written comes out of the system's cache."""
    with answers_file(folder).open("rb") as answers:
        for target, (offset, length) in read_index(folder).answers.items():
            answers.seek(offset)
            answer = answers.read(length)
            yield target, answer[answer.index(b"\r\n\r\n") + 4 :]


def _rows(shape: Shape, import_id: str, body: bytes) -> bytes:
    records: list[dict[str, Any]] = msgspec.json.decode(body)["_embedded"]["records"]
    return b"".join([shape.pack(import_id, record) for record in records])
