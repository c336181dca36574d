"""Faults below HTTP: answers that come late, in drops, in part or not at all."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Proceed = Callable[[], Awaitable[Response]]
Fault = Callable[[Request, Proceed], Awaitable[Response]]

DROPS = 20
# With no time to linger a closed socket sends RST instead of FIN, which is what "connection reset" means.
NO_LINGER = struct.pack("ii", 1, 0)


def slow(seconds: float) -> Fault:
    """The answer comes so many seconds late."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        await request.body()
        await _client_leaves(request.receive, within=seconds)
        return await proceed()

    return fault


def hang() -> Fault:
    """No answer comes, for as long as the client waits."""

    async def fault(request: Request, _proceed: Proceed) -> Response:
        await _client_leaves(request.receive)
        return Response()

    return fault


def reset() -> Fault:
    """The connection is reset before anything is answered."""

    async def fault(request: Request, _proceed: Proceed) -> Response:
        await request.body()  # a client that is still sending sees a broken pipe instead
        transport = _transport(request.scope)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
        await _client_leaves(request.receive)
        return Response()

    return fault


def cut() -> Fault:
    """The connection ends after half of the body that Content-Length promised."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        return _CutOff(await proceed(), {"Content-Encoding": "identity"})

    return fault


def cut_stream() -> Fault:
    """The connection ends in the middle of a body in chunks, whose length nobody promised."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        response = await proceed()
        del response.headers["Content-Length"]
        return _CutOff(response, {})

    return fault


def drip(seconds: float) -> Fault:
    """The body comes in drops, that many seconds apart: no single read is long, the whole is."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        return _Dripping(await proceed(), pause=seconds)

    return fault


class _CutOff(Response):
    def __init__(self, whole: Response, headers: dict[str, str]) -> None:
        super().__init__(whole.body, whole.status_code, headers=dict(whole.headers) | headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        _transport(scope).close()
        await _client_leaves(receive)


class _Dripping(Response):
    def __init__(self, whole: Response, *, pause: float) -> None:
        headers = dict(whole.headers) | {"Content-Encoding": "identity"}
        super().__init__(whole.body, whole.status_code, headers=headers)
        self.pause = pause

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        size = max(1, len(self.body) // DROPS)
        for start in range(0, len(self.body), size):
            drop = self.body[start : start + size]
            await send({"type": "http.response.body", "body": drop, "more_body": True})
            if await _client_leaves(receive, within=self.pause):
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport


async def _client_leaves(receive: Receive, *, within: float | None = None) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while (await receive())["type"] != "http.disconnect":
                pass
        return True
    return False
