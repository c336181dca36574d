"""What the tests of the embedded PostgreSQL have in common."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from etl.errors import DatabaseError
from etl.warehouse import embedded
from etl.warehouse.embedded import places, server

CHECKOUT = Path(__file__).parents[1]

# For a process of its own, which may give up being root once everything is imported.
SCRIPT = """
import os, resource, sys, time
from pathlib import Path
import psycopg, psycopg.conninfo
from etl.warehouse import embedded
from etl.errors import EtlError
home = Path(sys.argv[1])
def dropped(uid, gid):
    os.setgroups([]), os.setgid(gid), os.setuid(uid)
def ask(url, statement="SELECT pg_postmaster_start_time()::text"):
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchone()[0]
"""


def ask(url: str, statement: str = "SELECT pg_postmaster_start_time()") -> Any:
    """The first value of the answer."""
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row and row[0]


def spawn(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """SCRIPT and the code, in a process of its own."""
    command = (sys.executable, "-c", SCRIPT + code, *map(str, arguments))
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> str:
    """What the process said until it ended well."""
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (0, "")
    return out.strip()


def postmaster(home: Path) -> int:
    """The number of the server's first process."""
    return int((home / "server/data/postmaster.pid").read_text().split()[0])


def is_alive(home: Path) -> bool:
    """True if a server runs."""
    with places.entered(home) as cluster:
        return server._answers(cluster)


def failure(home: Path, **settings: str) -> str:
    """What a start says; always one line that names a file or what to do."""
    with pytest.raises(DatabaseError) as caught:
        embedded.start(home, settings=settings)
    said = str(caught.value)
    assert "\n" not in said
    return said


def failure_inside(cluster: places.Cluster) -> str:
    """The same for a cluster that the test has entered."""
    with pytest.raises(DatabaseError) as caught:
        server._launch(cluster, {})
    return str(caught.value)


def modes(folder: Path) -> dict[Path, int]:
    """The mode of the folder and of everything in it."""
    paths = [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]
    return {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
