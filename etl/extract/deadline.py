"""Connections that ask for the very bytes of a link, and look at the stop and the clock while they wait."""

import io
import math
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.client import HTTPResponse
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from etl.errors import Interrupted

SLICE_SECONDS = 0.25
"""The read timeout of every socket: how often a wait is looked at."""


class Watch(threading.local):
    """What the exchange of the current thread keeps to: its route, the target asked for, and when it ends at last.

    `silence`: so many seconds may pass without a byte of the answer.
    """

    def __init__(self, stop: threading.Event, clock: Callable[[], float], silence: float) -> None:
        self.stop = stop
        self.clock = clock
        self.silence = silence
        self.via = ""
        self.target = "/"
        self.ends = math.inf

    def begin(self, via: str, target: str, seconds: float) -> None:
        """The next exchange takes the route of a configured address, asks for this target and has so much time."""
        self.via = via
        self.target = target
        self.ends = self.clock() + seconds

    def require_time(self) -> None:
        """Raises if the run is to stop, or the exchange is over."""
        if self.stop.is_set():
            raise Interrupted("interrupted")
        if self.clock() > self.ends:
            raise TimeoutError("timed out")


class WatchedAdapter(HTTPAdapter):
    """Keeps a connection per thread, each of them watched, also behind a proxy."""

    def __init__(self, watch: Watch, *, size: int) -> None:
        self._watch = watch
        self._pools: dict[str, Any] = {}
        self._plain = partial(_Connection, watch=watch)
        self._tls = partial(_TlsConnection, watch=watch)
        super().__init__(pool_maxsize=size)

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """The route's pool, found once: finding it costs a fifth of an exchange. Its connections are watched."""
        pool = self._pools.get(self._watch.via)
        if pool is None:
            pool = super().get_connection_with_tls_context(*args, **options)
            pool.ConnectionCls = self._tls if pool.scheme == "https" else self._plain  # type: ignore[attr-defined]
            self._pools[self._watch.via] = pool
        return pool

    def close(self) -> None:
        """No connection is open: urllib3 closes those of a pool with its last reference."""
        self._pools.clear()
        super().close()

    def request_url(self, *_: Any) -> str:
        """Nothing but a word for urllib3: the connection asks for the target of the watch."""
        return "/"

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The answer without its cookies, which nobody wants."""
        response = Response()
        response.request, response.status_code, response.headers, response.raw = req, resp.status, resp.headers, resp
        return response


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, watch: Watch, **options: Any) -> None:
        super().__init__(*args, **options)
        self._watch = watch
        self.response_class = partial(_answer, watch=watch)  # type: ignore[assignment]

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ARG002
        # urllib3 quotes the target once more: %c3 becomes %C3, and one stray % makes every %20 a %2520.
        super().request(method, self._watch.target, *args, **options)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


def _answer(sock: socket.socket, *, watch: Watch, **options: Any) -> HTTPResponse:
    return HTTPResponse(_Watched(sock, watch), **options)  # type: ignore[arg-type]


class _Watched:
    """As much of a socket as an answer needs."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock = sock
        self._watch = watch

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Slices(self._sock, self._watch), 64 * 1024)


class _Slices(io.RawIOBase):
    """A socket read in short slices, so that a stop or the end of the exchange ends every wait."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock = sock
        self._watch = watch
        # The connection may be closed before the answer is read; the socket lives as long as a file made from it.
        self._open = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        silent_until = self._watch.clock() + self._watch.silence
        while True:
            self._watch.require_time()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                if self._watch.clock() >= silent_until:
                    raise

    def close(self) -> None:
        self._open.close()
        super().close()
