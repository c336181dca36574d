"""The test session's PostgreSQL: one server of a version for all workers, one migrated template, and clones of it.

`TEST_DATABASE_URL` names another server, which then is the only one: any on which its role may create databases.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from unittest import mock
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from etl.errors import DatabaseError
from etl.warehouse import embedded
from etl.warehouse.embedded import binaries

GIVEN = os.environ.get("TEST_DATABASE_URL")
NEWEST = "18"
EVERY = (NEWEST, "16") if not GIVEN else (NEWEST,)
"""The versions that the wheel brings: what holds on both ends of them holds in between."""

PREFIX = "talkdesk-etl-test-"
ROOMY_BYTES = 4_000_000_000
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


class Server(NamedTuple):
    """A server and the name of the template on it."""

    url: str
    template: str


def make_folder() -> Path:
    """A folder for one test session, which the account of root's server can reach.

    What killed sessions have left is removed.
    """
    for left in _place().glob(f"{PREFIX}*"):
        if left.stat().st_uid == os.geteuid() and _is_abandoned(left):
            remove(left)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place()))
    folder.chmod(0o711)
    return folder


def _place() -> Path:
    """In memory, where there is plenty, a server is made in a third of the time."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder there
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOMY_BYTES
    return memory if roomy else Path(tempfile.gettempdir())


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Inside, the folder is not abandoned."""
    with (folder / "session.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _is_abandoned(folder: Path) -> bool:
    """False also for a folder whose session has not come to lock it."""
    try:
        with (folder / "session.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


def remove(folder: Path) -> None:
    """Afterwards no server runs in the folder, and nothing of it is left, here or elsewhere."""
    for lock in folder.rglob("start.lock"):
        with suppress(DatabaseError):
            embedded.stop(lock.parent)
    for link in folder.rglob("*"):
        if link.is_symlink() and link.name in {"server", "socket"}:
            shutil.rmtree(link.readlink(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # what a dying server still writes is swept by the next session


def session_server(folder: Path, version: str = NEWEST) -> Server:
    """The server of this session and version, with its template; made by whoever comes first."""
    name = folder.name.replace("-", "_")
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = Server(GIVEN or _start(folder / version, version), template=f"{name}_template")
        if not (made := folder / f"template.{version}").exists():
            _make_template(server)
            made.touch()
    return server


def _start(home: Path, version: str) -> str:
    """The URL of a server of that version, though there are newer ones."""
    chosen = [each for each in binaries.installed() if str(each.major) == version]
    with mock.patch.object(binaries, "installed", return_value=chosen):
        return embedded.start(home, settings=FAST)


def _make_template(server: Server) -> None:
    from etl.warehouse.migrating import migrate  # noqa: PLC0415 - if it is broken, other tests still run

    _execute(server, "DROP DATABASE IF EXISTS {}", server.template)
    _execute(server, "CREATE DATABASE {}", server.template)
    migrate(at(server.url, server.template))
    _execute(server, "ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", server.template)


def drop_template(folder: Path) -> None:
    """Afterwards a server that outlives this session holds nothing of it."""
    if GIVEN and (folder / f"template.{NEWEST}").exists():
        server = session_server(folder)
        _execute(server, "ALTER DATABASE {} IS_TEMPLATE false", server.template)
        _execute(server, "DROP DATABASE {}", server.template)


@contextmanager
def clone(server: Server, *, of: str | None = None) -> Iterator[str]:
    """The URL of a fresh, migrated database, or a copy of that one; it is dropped afterwards, whoever is connected."""
    name = server.template.replace("template", uuid4().hex[:8])
    _execute(server, "CREATE DATABASE {} TEMPLATE {}", name, of or server.template)
    try:
        yield at(server.url, name)
    finally:
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def encoded(server: Server, encoding: str) -> Iterator[str]:
    """The URL of an empty database of that encoding, which is dropped afterwards, whoever is connected."""
    name = f"talkdesk_etl_encoded_{uuid4().hex[:8]}"
    _execute(server, f"CREATE DATABASE {{}} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'", name)
    try:
        yield at(server.url, name)
    finally:
        _execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def at(url: str, database: str) -> str:
    """The same server's URL with another database."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _execute(server: Server, statement: str, *names: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
