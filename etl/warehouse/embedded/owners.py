"""Whom the server runs as: the caller, but for root, whom PostgreSQL refuses. No account is added."""

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from etl.errors import DatabaseError

LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"  # not every macOS knows C.UTF-8


class Owner(NamedTuple):
    """Somebody that root can become."""

    uid: int
    gid: int


def is_root() -> bool:
    """Tell whether we run as root."""
    return os.geteuid() == 0


def service_account() -> Owner | None:
    """Return the account that a new server gets; None if it is the caller's own."""
    if not is_root():
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Owner(found.pw_uid, found.pw_gid)
    raise DatabaseError("PostgreSQL does not run as root, nor is there an account postgres: set DATABASE_URL")


def account_of(folder: Path) -> Owner | None:
    """Return the account of a server that exists: the folder's owner, whomever root would choose today."""
    found = folder.stat()
    return Owner(found.st_uid, found.st_gid) if is_root() else None


def may_enter(account: Owner | None, folder: Path) -> bool:
    """Asked of the kernel: modes alone do not tell of access lists and mounts."""
    return account is None or run(("/bin/sh", "-c", 'cd "$0"', folder), account) == 0


def run(
    command: Sequence[str | Path],
    account: Owner | None,
    *,
    folder: Path = Path("/"),
    log: BinaryIO | None = None,
    inherited: Sequence[int] = (),
) -> int:
    """Return the exit code of the command, run as the account, with the folder's `data` as PGDATA.

    Its environment is made anew: a server outlives us and must neither carry our secrets nor obey a PGPORT.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    uid, gid = account or (None, None)
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs by full path, and the shell's cd
        command,
        cwd=folder,
        env={**kept, "LC_ALL": LOCALE, "TZ": "UTC", "PGDATA": "data"},
        stdin=subprocess.DEVNULL,
        stdout=log or subprocess.DEVNULL,
        stderr=log or subprocess.DEVNULL,
        pass_fds=inherited,
        umask=0o077,
        user=uid,
        group=gid,
        extra_groups=[] if account else None,
        check=False,
    )
    return done.returncode
