"""Connections that look at the stop and at the deadline of their exchange while they wait: requests has neither.

All hooks into urllib3 and http.client are here and in `framing`; tests/extract/test_framing.py fails where a release
breaks them.
"""

import math
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from etl.errors import Interrupted
from etl.extract.framing import FinalAnswer, RawAnswer, Received

SLICE_SECONDS = 0.25
"""The read timeout of every socket: how often a wait is looked at."""


class Exchange(threading.local):
    """The exchange of the current thread: the origin and the target asked for, and its deadline.

    `read_timeout`: so many seconds may pass without a byte of the answer.
    """

    def __init__(self, stop: threading.Event, clock: Callable[[], float], read_timeout: float) -> None:
        self.stop = stop
        self.clock = clock
        self.read_timeout = read_timeout
        self.origin = ""
        self.target = "/"
        self.deadline = math.inf

    def begin(self, url: str, seconds: float) -> None:
        """Begin the next exchange: it asks for this address and has so much time until its deadline."""
        # requests and urllib3 would take the address apart, and not put it together as it was.
        scheme, _, host, target = url.split("/", 3)
        self.origin = f"{scheme}//{host}"
        self.target = f"/{target}"
        self.deadline = self.clock() + seconds

    def require_time(self) -> None:
        """Raise if the run is to stop, or the deadline is over."""
        if self.stop.is_set():
            raise Interrupted("interrupted")
        if self.clock() > self.deadline:
            raise TimeoutError("timed out")


class DeadlineAdapter(HTTPAdapter):
    """Keeps a connection per thread, each with a deadline, also behind a proxy of any kind."""

    def __init__(self, exchange: Exchange, *, size: int) -> None:
        self._exchange = exchange
        self._pools: dict[str, Any] = {}
        super().__init__(pool_maxsize=size)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the origin's pool as requests chooses it, chosen once: to choose it costs a fifth of an exchange."""
        pool = self._pools.get(self._exchange.origin)
        if pool is None:
            pool = self._timed(super().get_connection_with_tls_context(*args, **options))
            self._pools[self._exchange.origin] = pool
        return pool

    def _timed(self, pool: Any) -> Any:
        """Give the pool's connections a deadline; requests may have the pool from another thread that came first."""
        if not issubclass(pool.ConnectionCls, _Timed):
            pool.ConnectionCls = type("Timed", (_Timed, pool.ConnectionCls), {"exchange": self._exchange})
        return pool

    def request_url(self, *_: Any) -> str:
        """Give urllib3 nothing but a word: the connection asks for the exchange's target, and this takes it apart."""
        return "/"

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return the answer without cookies and a guess at its encoding, which are a tenth of an exchange."""
        response = Response()
        response.request, response.status_code, response.headers, response.raw = req, resp.status, resp.headers, resp
        return response

    def close(self) -> None:
        """Close every connection: urllib3 closes those of a pool with its last reference."""
        self._pools.clear()
        super().close()


class _Timed(HTTPConnection):
    """Mixed into the class of connections that a pool has, SOCKS included."""

    exchange: Exchange

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ARG002
        # urllib3 quotes the target once more: %c3 becomes %C3, and one stray % makes every %20 a %2520.
        super().request(method, self.exchange.target, *args, **options)

    def response_class(self, sock: socket.socket, **options: Any) -> FinalAnswer:  # type: ignore[override]
        """Return the answer on this connection."""
        return FinalAnswer(_TimedSocket(sock, self), **options)  # type: ignore[arg-type]


class _TimedSocket:
    """As much of a socket as an answer needs."""

    def __init__(self, sock: socket.socket, connection: _Timed) -> None:
        self._sock = sock
        self._connection = connection

    def makefile(self, _mode: str) -> Received:
        return Received(_Slices(self._sock, self._connection.exchange), self._connection.close)


class _Slices(RawAnswer):
    """A socket read in short slices, so that a stop or the deadline ends every wait."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange
        # The connection may be closed before the answer is read; the socket lives as long as a file made from it.
        self._open = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_over:
            return 0
        size = self._wait_for(buffer)
        self.has_ended = not size
        return size

    def _wait_for(self, buffer: Any) -> int:
        silent_until = self._exchange.clock() + self._exchange.read_timeout
        while True:
            self._exchange.require_time()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                if self._exchange.clock() >= silent_until:
                    raise

    def has_pending(self) -> bool:
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def close(self) -> None:
        self._open.close()
        super().close()
