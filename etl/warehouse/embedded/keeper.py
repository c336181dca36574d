"""Keeps the server for clients that are not ours: `python -m etl.warehouse.embedded.keeper HOME`.

A shell that asks for the URL gets it only once the command has ended, so a process of its own stays behind: it is a
user of the server like any other, and leaves when no client has been there for a while, or when the server was stopped.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from etl.errors import DatabaseError, EtlError
from etl.warehouse.embedded.server import running

IDLE_SECONDS = 60
LOOK_SECONDS = 2
KEPT = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME")
OTHERS = """
    SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND application_name <> 'talkdesk-etl keeper'
"""


def keep_for_clients(home: Path) -> None:
    """Keep the server in `home`, which must run, until its clients have left it."""
    keeper = subprocess.Popen(  # noqa: S603 - this very program
        (sys.executable, "-m", __name__, home),
        cwd="/",
        env={name: os.environ[name] for name in KEPT if name in os.environ},  # it outlives us: no secret goes with it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the client is not for the server
    )
    with keeper.stdout or open(os.devnull, "rb") as said:  # noqa: PTH123 - never: stdout is a pipe
        if not said.readline():
            raise DatabaseError(f"the process that keeps the server of {home} did not start")
    keeper.returncode = 0  # it is left to itself


def main(home: Path) -> None:
    """Say that the server is kept, and return when nobody needs it any more."""
    with running(home) as url, psycopg.connect(url, autocommit=True, application_name="talkdesk-etl keeper") as looking:
        print("kept", flush=True)  # noqa: T201 - whom it is said to waits for it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        seen = time.monotonic()
        while time.monotonic() - seen < IDLE_SECONDS:
            time.sleep(LOOK_SECONDS)
            if (row := looking.execute(OTHERS).fetchone()) and row[0]:
                seen = time.monotonic()


if __name__ == "__main__":
    with suppress(EtlError, psycopg.Error):  # the server was stopped
        main(Path(sys.argv[1]))
