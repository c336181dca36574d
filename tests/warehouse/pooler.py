"""A pooler before a warehouse, as much of one as matters: its clients share server connections, by transaction or not.

It speaks the protocol's frames: a client is given a server connection with its first message, the one returned last,
and gives it back when the server says that it is idle (transaction mode), or when the client leaves (session mode).
"""

import os
import secrets
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import LifoQueue
from select import select
from typing import Any, BinaryIO, Literal

import psycopg
from sqlalchemy import make_url

SSL, GSS, CANCEL = 80877103, 80877104, 80877102
REPORTED = ("server_version", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings")
IDLE = b"Z\0\0\0\5I"
LOOK_SECONDS = 0.05
Server = psycopg.Connection[Any]


@dataclass
class Pooler:
    """`url` leads through it; it holds at most so many server connections, all of them to `upstream`."""

    upstream: str
    mode: Literal["session", "transaction"]
    size: int
    flowing: threading.Event = field(default_factory=threading.Event)
    _idle: "LifoQueue[Server | None]" = field(default_factory=LifoQueue)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def url(self) -> str:
        """The warehouse's URL by way of the pooler."""
        url = make_url(self.upstream).difference_update_query(("host", "port"))
        url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        return url.update_query_dict({"sslmode": "disable"}).render_as_string(hide_password=False)

    def open(self) -> None:
        """Afterwards clients are served."""
        self.flowing.set()
        for _ in range(self.size):
            self._idle.put(None)  # may be made, but is not yet
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Afterwards nobody new is served, and what is idle is closed."""
        self.flowing.set()
        self._listener.close()
        while not self._idle.empty():
            if server := self._idle.get_nowait():
                server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                # Answers go out frame by frame; else each would wait for the one before it to be acknowledged.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, psycopg.Error, EOFError), client, client.makefile("rb") as stream:
            if not _log_in(client, stream, self.upstream):
                return
            _Session(self, client).run(stream)

    def take(self) -> Server:
        """A server connection that nobody else has meanwhile; waits for one."""
        server = self._idle.get() or psycopg.connect(self.upstream, sslmode="disable", autocommit=True)
        os.set_blocking(server.fileno(), True)
        return server

    def give_back(self, server: Server | None) -> None:
        """Afterwards others may have it, or one in its place."""
        self._idle.put(server)


@dataclass
class _Session:
    """One client, and the server connection that it has just now; one thread reads both, so no answer goes astray."""

    pooler: Pooler
    client: socket.socket
    server: Server | None = None
    _is_simple: bool = False

    def run(self, stream: BinaryIO) -> None:
        try:
            while (frame := _frame(stream))[:1] != b"X":
                self.server = self.server or self.pooler.take()
                _send(self.server, frame)
                if self._is_answered(frame[:1]):
                    self._answer(self.server)
        finally:
            if server := self.server:
                server.close()
                self.pooler.give_back(None)

    def _is_answered(self, kind: bytes) -> bool:
        """A query is, and what ends a group; the end of a copy only if a query began it, else a Sync follows."""
        if kind in {b"Q", b"P"}:
            self._is_simple = kind == b"Q"
        return kind in {b"Q", b"S"} or (kind in {b"c", b"f"} and self._is_simple)

    def _answer(self, server: Server) -> None:
        """Pass on what the server says, until it waits for the client; then it is given back, if that is the mode."""
        with os.fdopen(os.dup(server.fileno()), "rb", 0) as raw:
            frame = b""
            while frame[:1] not in {b"G", b"Z"}:
                self._await(raw)
                frame = _frame(raw)
                if frame == IDLE and self.pooler.mode == "transaction":
                    self.server = None
                    self.pooler.give_back(server)
                self.client.sendall(frame)

    def _await(self, raw: BinaryIO) -> None:
        """Afterwards the server has said something; EOFError if the client left before."""
        while not (self.pooler.flowing.is_set() and select([raw], [], [], LOOK_SECONDS)[0]):
            if select([self.client], [], [], 0)[0] and not self.client.recv(1, socket.MSG_PEEK):
                raise EOFError
            self.pooler.flowing.wait(LOOK_SECONDS)


def _log_in(client: socket.socket, stream: BinaryIO, upstream: str) -> bool:
    """Whoever comes is let in, with a number of the pooler's own to cancel with, which it does not do."""
    code = SSL
    while code in {SSL, GSS}:
        (length,) = struct.unpack("!i", _exactly(stream, 4))
        (code,) = struct.unpack("!i", _exactly(stream, length - 4)[:4])
        if code in {SSL, GSS}:
            client.sendall(b"N")
    if code == CANCEL:
        return False
    with psycopg.connect(upstream) as known:
        values = {name: known.info.parameter_status(name) or "" for name in REPORTED}
    said = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in values.items())
    key = struct.pack("!ii", secrets.randbelow(10**9) + 10**9, 0)
    client.sendall(_message(b"R", bytes(4)) + said + _message(b"K", key) + IDLE)
    return True


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _frame(stream: BinaryIO) -> bytes:
    head = _exactly(stream, 5)
    return head + _exactly(stream, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = stream.read(length - len(found))
        if not more:
            raise EOFError
        found += more
    return found


def _send(server: Server, frame: bytes) -> None:
    with socket.socket(fileno=os.dup(server.fileno())) as end:
        end.sendall(frame)


@contextmanager
def pooled(url: str, mode: Literal["session", "transaction"], size: int) -> Iterator[Pooler]:
    """A pooler that serves until the block ends."""
    pooler = Pooler(url, mode, size)
    pooler.open()
    try:
        yield pooler
    finally:
        pooler.close()
