"""What lies where, private from its first instant, with nobody's folder opened.

Root writes only into folders that are root's own: in one of the server's account a planted link could wait.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from etl.errors import DatabaseError
from etl.warehouse.embedded.locks import PATIENCE_SECONDS, locked
from etl.warehouse.embedded.owners import Owner, account_of, is_root, may_enter, service_account

SHARED = Path("/var/lib/talkdesk-etl")  # for root alone; from /var/tmp idle files would be swept
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
SUPERUSER = "talkdesk"


class Cluster(NamedTuple):
    """A home, all links followed; `account` is None if the server runs as the caller."""

    home: Path
    server: Path
    socket: Path
    account: Owner | None

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder; if it is there, it is complete."""
        return self.server / "data"

    @property
    def owner(self) -> int:
        """The user id that owns the server's folder and all that is in it."""
        return self.account.uid if self.account else os.geteuid()

    @property
    def lock(self) -> Path:
        """Held by the server's processes."""
        return self.home / "server.lock"

    @property
    def users(self) -> Path:
        """Shared by the users of the server."""
        return self.home / "users.lock"

    @property
    def log(self) -> Path:
        """What initdb and the server said."""
        return self.home / "server.log"

    def url(self, database: str) -> str:
        """Return the libpq URL; SQLAlchemy reads it the same way."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(os.fsencode(self.socket))}&port=5432"


@contextmanager
def entered(home: Path, *, patience: float = PATIENCE_SECONDS) -> Iterator[Cluster]:
    """Enter the cluster of `home`, made if need be; inside, nobody else starts or stops it."""
    with explained(home):
        home = make_home(home)
        with locked(home / "start.lock", patience=patience):
            server = _server_folder(home)
            account = account_of(server)
            yield Cluster(home, server, _socket_folder(home, server, account), account)


@contextmanager
def explained(home: Path) -> Iterator[None]:
    """Translate what the operating system refuses inside into one line."""
    try:
        yield
    except OSError as error:
        place, reason = error.filename or home, error.strerror or error
        raise DatabaseError(f"the embedded PostgreSQL cannot use {place}: {reason}") from error


def make_home(home: Path) -> Path:
    """Return the home's real path; one that was there keeps its mode."""
    home = home.resolve()
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        _make_private_home(home)
    return home


def _make_private_home(home: Path) -> None:
    """Done in one step: neither after our death nor beside us does anybody find it with another mode."""
    account = service_account()
    new = _private_folder(home.parent, ".talkdesk-etl-", None)
    if account and may_enter(account, home.parent):
        os.chown(new, -1, account.gid, follow_symlinks=False)
        new.chmod(0o710)  # the server's account passes through, and reads nothing
    try:
        new.rename(home)
    except OSError:  # somebody was faster, unless there is none
        new.rmdir()
        if not home.is_dir():
            raise


def _server_folder(home: Path) -> Path:
    """Return the real path of server/; the link records where it is, so a mode that changes later moves nothing."""
    server = home / "server"
    if not os.path.lexists(server):
        _make_server_folder(server)
    if server.is_symlink() and (not is_root() or server.readlink().parent != SHARED):
        raise DatabaseError(f"{server} is a link that this program did not make: remove it, then try again")
    if not server.is_dir():
        raise DatabaseError(
            f"the embedded database of {home} was in {server.readlink()}, which is gone: "
            f"bring it back, or remove {server} to begin with an empty one"
        )
    return server.resolve()


def _make_server_folder(server: Path) -> None:
    account = service_account()
    inside = may_enter(account, server.parent)
    place = _private_folder(server.parent if inside else make_shared(), "server-", account)
    if inside:
        place.rename(server)
    else:
        server.symlink_to(place)


def _private_folder(parent: Path, prefix: str, account: Owner | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if account:
        os.chown(folder, *account, follow_symlinks=False)
    return folder


def make_shared() -> Path:
    """SHARED, which anybody may enter: what is private in there is so by itself."""
    if not SHARED.exists():
        SHARED.mkdir(exist_ok=True)
        SHARED.chmod(0o755)  # whatever our umask is
    return SHARED


def _socket_folder(home: Path, server: Path, account: Owner | None) -> Path:
    """server/ itself, or a stand-in if its path is too long or has a comma, at which libpq splits hosts."""
    if len(os.fsencode(server / SOCKET)) <= SOCKET_PATH_BYTES and "," not in str(server):
        return server
    link = home / "socket"
    if not _is_private(link, owner=server.stat().st_uid):
        link.unlink(missing_ok=True)
        # TMPDIR and XDG_RUNTIME_DIR differ between a login and cron, and the latter goes at logout.
        link.symlink_to(_private_folder(Path("/tmp"), "talkdesk-etl-", account))  # noqa: S108 - made 0700
    return link.readlink()


def leave_nothing_elsewhere(cluster: Cluster) -> None:
    """Remove the socket's folder in /tmp; the next start makes another. No server may run."""
    link = cluster.home / "socket"
    if cluster.socket != cluster.server and _is_private(link, owner=cluster.owner):
        shutil.rmtree(cluster.socket, ignore_errors=True)
        link.unlink(missing_ok=True)


def _is_private(link: Path, *, owner: int) -> bool:
    """Tell whether it is there: /tmp may have been swept, or somebody else have taken the name since."""
    try:
        found = os.lstat(link.readlink())
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not stat.S_IMODE(found.st_mode) & 0o077
