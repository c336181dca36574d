"""A plug between the product and its warehouse: it can be pulled, put back, and jammed."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

CHUNK = 256 * 1024


@dataclass
class Strike:
    """What happens at the n-th message to the server that holds the text.

    The server never gets the message, or, with `answered`, does as it is told and its answer is lost.
    """

    act: Callable[[], None]
    text: bytes = b""
    number: int = 1
    answered: bool = False
    seen: int = 0

    def is_due(self, message: bytes) -> bool:
        """Whether this is the message; every one is counted."""
        self.seen += self.text in message
        return self.seen == self.number and self.text in message


@dataclass
class Line:
    """One connection: the product's end and the server's."""

    client: socket.socket
    server: socket.socket
    awaited: Strike | None = None
    is_half: bool = False

    def cut(self) -> None:
        """Both ends are told that it is over; the product's alone if the line was cut by half."""
        for end in (self.client,) if self.is_half else (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Plug:
    """An address of the warehouse on this machine, `url`; what goes through it is counted in `messages`."""

    upstream: str
    strike: Strike | None = None
    messages: int = 0
    _port: int = 0
    _listener: socket.socket | None = None
    _lines: list[Line] = field(default_factory=list)
    _flowing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The warehouse's URL by way of the plug, in the clear, so that messages can be read."""
        away = ("host", "port")
        url = make_url(self.upstream).difference_update_query(away)
        url = url.set(host="127.0.0.1", port=self._port)
        url = url.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        return url.render_as_string(hide_password=False)

    def insert(self) -> None:
        """Afterwards whoever connects is connected, at the same address as before."""
        self._flowing.set()
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection is lost; new ones can be made."""
        for line in self._lines:
            line.is_half = False
            line.cut()
        self._lines.clear()

    def cut_half(self) -> None:
        """The same, but the server does not hear of it, and keeps what it has for the product."""
        for line in self._lines:
            line.is_half = True
            line.cut()

    def pull(self) -> None:
        """Every connection is lost, and new ones are refused."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._listener = None
        self.cut()

    def pull_for(self, seconds: float) -> None:
        """The same, until it is put back after so many seconds."""
        self.pull()
        timer = threading.Timer(seconds, self.insert)
        timer.daemon = True
        timer.start()

    def jam(self) -> None:
        """Nothing goes through any more, in silence: also who connects gets no answer."""
        self._flowing.clear()

    def release(self) -> None:
        """Everything flows again."""
        self._flowing.set()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                line = Line(client, _connect(self.upstream))
                self._lines.append(line)
                if listener is not self._listener:
                    line.cut()
                for pump in (self._ask, self._answer):
                    threading.Thread(target=pump, args=(line,), daemon=True).start()

    def _ask(self, line: Line) -> None:
        with suppress(OSError):
            while message := line.client.recv(CHUNK):
                self.messages += 1
                strike = self.strike if self.strike and self.strike.is_due(message) else None
                if strike and not strike.answered:
                    strike.act()
                line.awaited = strike if strike and strike.answered else line.awaited
                self._flowing.wait()
                line.server.sendall(message)
        line.cut()
        line.client.close()

    def _answer(self, line: Line) -> None:
        with suppress(OSError):
            while message := line.server.recv(CHUNK):
                if line.awaited:
                    line.awaited.act()
                self._flowing.wait()
                line.client.sendall(message)
        line.cut()
        line.server.close()


@contextmanager
def plugged(url: str) -> Iterator[Plug]:
    """A plug that is in until the block ends."""
    plug = Plug(url)
    plug.insert()
    try:
        yield plug
    finally:
        plug.pull()
        plug.release()


def _connect(url: str) -> socket.socket:
    known = conninfo_to_dict(url)
    host, port = str(known.get("host", "localhost")), int(known.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(str(Path(host) / f".s.PGSQL.{port}"))
    return server
