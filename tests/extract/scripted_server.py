"""A server that plays scripted answers, byte for byte, and remembers what it was asked."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

Connection = socket.socket
Step = bytes | Callable[[Connection], None]

TOKEN_PATH = "/oauth/token"


class Asked(NamedTuple):
    """One request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


def reply(status: int = 200, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer; whatever is no bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content


def token(text: str = "token-1", **more: object) -> bytes:
    """An answer that grants a token."""
    granted = {"scope": "bulk-imports:read case-fields-public:read", "expires_in": 600, "token_type": "Bearer"}
    return reply(200, {"access_token": text, **granted, **more})


def cut(answer: bytes, *, left: int) -> Step:
    """The answer without its last bytes."""

    def play(connection: Connection) -> None:
        connection.sendall(answer[:-left])

    return play


def trickle(answer: bytes, *, every: float) -> Step:
    """The answer a byte at a time, for as long as somebody listens."""

    def play(connection: Connection) -> None:
        with suppress(OSError):
            for byte in answer:
                connection.sendall(bytes([byte]))
                time.sleep(every)

    return play


def hang(seconds: float) -> Step:
    """Nothing at all, and then the end of the connection."""
    return lambda _: time.sleep(seconds)


def reset(connection: Connection) -> None:
    """The connection is torn down without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class ScriptedServer:
    """Answers each path with its steps in turn, the last one for ever; what has no step is a 404."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.steps: dict[str, list[Step]] = {TOKEN_PATH: [token()]}
        self.asked: list[Asked] = []
        self.connections = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def targets(self) -> list[str]:
        """What was asked for, but for tokens."""
        return [asked.target for asked in self.asked if asked.target != TOKEN_PATH]

    def authorizations(self) -> list[str]:
        """The credentials with which it was asked, but for tokens."""
        return [asked.headers.get("authorization", "") for asked in self.asked if asked.target != TOKEN_PATH]

    def token_requests(self) -> list[Asked]:
        """The requests for tokens."""
        return [asked for asked in self.asked if asked.target == TOKEN_PATH]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: Connection) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while asked := _read(connection):
                step = self._next_step(asked)
                if isinstance(step, bytes):
                    connection.sendall(step)
                else:
                    step(connection)
                    break
        connection.close()

    def _next_step(self, asked: Asked) -> Step:
        with self._lock:
            self.asked.append(asked)
            steps = self.steps.get(asked.target) or self.steps.get(asked.target.partition("?")[0])
            if not steps:
                return reply(404, {"code": "no_such_path", "message": "there is nothing here"})
            return steps.pop(0) if len(steps) > 1 else steps[0]


def _read(connection: Connection) -> Asked | None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            return None
        head += more
    text, _, rest = head.partition(b"\r\n\r\n")
    first, *lines = text.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(rest) < int(headers.get("content-length", 0)):
        rest += connection.recv(65536)
    method, target, _ = first.split(" ")
    return Asked(method, target, headers, rest.decode())


def settings_for(server: ScriptedServer, **more: Any) -> Any:
    """Settings of an account that lives on this server and is impatient."""
    from etl.config import AccountSettings  # noqa: PLC0415 - the server itself needs nothing of the product

    given = {
        "name": "acme",
        "api_url": server.origin,
        "token_url": server.origin + TOKEN_PATH,
        "client_id": "the-client",
        "client_secret": None if "private_key" in more else "the-s3cret",
        "timeout": 5,
        "retry_seconds": 5,
    }
    return AccountSettings(**{**given, **more})
