"""The stand-in on a port of this machine: in the foreground for a person, in a thread for a test."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from types import FrameType
from typing import TypedDict, Unpack

import uvicorn

from etl.errors import UsageError
from etl.sandbox.api.app import Sandbox, create_app
from etl.sandbox.api.clients import SCOPES, OAuthClient
from etl.sandbox.api.listing import PageSize
from etl.sandbox.api.tokens import Tokens
from etl.sandbox.protocol import OpenProtocol
from etl.sandbox.world.live import moving
from etl.sandbox.world.world import World

HOST = "127.0.0.1"
BACKLOG = 128
PATIENCE = 10


class Options(TypedDict, total=False):
    """What a sandbox can be told; `new_sandbox` says what it is otherwise."""

    world: World | None
    imports: int
    records: int
    seed: int
    now: datetime | None
    per_page: int | None
    token_life: float
    faults: Iterable[str]
    client_id: str
    client_secret: str
    scope: str
    public_key: str | None
    key_id: str | None
    prefix: str
    no_records_link: bool


def new_sandbox(  # noqa: PLR0913 - one parameter per option of the command
    *,
    world: World | None = None,
    imports: int = 60,
    records: int = 40,
    seed: int = 0,
    now: datetime | None = None,
    per_page: int | None = None,
    token_life: float = 600,
    faults: Iterable[str] = (),
    client_id: str = "sandbox",
    client_secret: str = "sandbox",  # noqa: S107 - a stand-in has nothing to hide
    scope: str = SCOPES,
    public_key: str | None = None,
    key_id: str | None = None,
    prefix: str = "",
    no_records_link: bool = False,
) -> Sandbox:
    """A sandbox that does not listen yet; faults are given by name, and every name is known."""
    client = OAuthClient(
        client_id=client_id, client_secret=client_secret, scope=scope, public_key=public_key, key_id=key_id
    )
    sandbox = Sandbox(
        world=world or World(imports=imports, records=records, seed=seed, now=now),
        tokens=Tokens(client, life=token_life),
        page_size=PageSize() if per_page is None else PageSize(per_page, per_page),
        prefix=prefix,
        has_records_link=not no_records_link,
    )
    for text in faults:
        sandbox.faults.use(text)
    return sandbox


def serve(
    *,
    port: int = 0,
    live: float | None = None,
    ready: Callable[[Sandbox], object] = lambda _: None,
    **options: Unpack[Options],
) -> None:
    """A sandbox was served until SIGINT or SIGTERM.

    `ready` is told once it listens and a signal would end it well; it must not wait for an answer itself.
    With `live` the world moves by itself, one step in so many seconds.
    """
    sandbox = new_sandbox(**options)
    with _listening(sandbox, port) as listener, _moved(sandbox, live):
        _Server(sandbox, up=partial(ready, sandbox)).run([listener])


@contextmanager
def running(*, port: int = 0, live: float | None = None, **options: Unpack[Options]) -> Iterator[Sandbox]:
    """A sandbox is served from a thread of its own until the block ends."""
    sandbox = new_sandbox(**options)
    with _listening(sandbox, port) as listener, _moved(sandbox, live):
        up = threading.Event()
        server = _Server(sandbox, up=up.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        up.wait(PATIENCE)
        try:
            yield sandbox
        finally:
            server.stop()
            thread.join(PATIENCE)


@contextmanager
def _listening(sandbox: Sandbox, port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((HOST, port), backlog=BACKLOG)
    except (OSError, OverflowError) as problem:
        raise UsageError(f"port {port} of {HOST} cannot be used: {problem}") from problem
    with listener:
        # Connections inherit it; without it each answer waits 40 ms for a delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sandbox.origin = f"http://{HOST}:{listener.getsockname()[1]}"
        yield listener


def _moved(sandbox: Sandbox, live: float | None) -> AbstractContextManager[None]:
    return moving(sandbox.world, every=live) if live else nullcontext()


class _Server(uvicorn.Server):
    """Sleeps while nobody asks, and stops at once: a request that hangs is cut off, not waited for."""

    def __init__(self, sandbox: Sandbox, *, up: Callable[[], object]) -> None:
        super().__init__(_config(sandbox))
        self._up = up
        self._wake: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """The server stops, whichever thread says so."""
        self.should_exit = True
        self._wake()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """A signal is the ordinary way to stop it, so it is not raised again afterwards."""
        self.stop()

    async def main_loop(self) -> None:
        """Returns when the server is to stop; uvicorn's own loop wakes ten times a second to look."""
        asked = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, asked.set)
        self._up()
        if not self.should_exit:
            await asked.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - ours to close
        """Nobody is connected any more, and what was being answered has noticed."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # in this turn of the loop the connections are lost
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)


def _config(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(sandbox),
        http=OpenProtocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )
