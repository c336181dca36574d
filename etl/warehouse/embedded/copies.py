"""The database as a file and back, by PostgreSQL's own programs; a file is what any newer pg_restore reads."""

import subprocess
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from etl.errors import DatabaseError, UsageError, one_line
from etl.warehouse.embedded.binaries import binaries_for
from etl.warehouse.embedded.places import entered
from etl.warehouse.tables import SCHEMA, metadata

WHOSE = ("--no-owner", "--no-privileges")  # another server has other roles


def dump(home: Path, url: str, path: Path | None) -> None:
    """Write the whole database to the file, or to stdout.

    The file is opened by pg_dump: in what it writes to stdout, even if that is a file, a missing end may go unnoticed.
    """
    where = () if path is None else (f"--file={path}",)
    code, said = _run(home, "pg_dump", *WHOSE, "--format=custom", f"--dbname={url}", *where)
    if code == -13:  # noqa: PLR2004 - SIGPIPE
        raise BrokenPipeError
    if code:
        raise DatabaseError(f"the embedded database could not be dumped: {said}")


def restore(home: Path, url: str, file: IO[bytes]) -> None:
    """Put the file's data into the database, which must hold none; all or nothing."""
    _require_dump(home, file)
    _clear(home, url)
    file.seek(0)
    how = ("--single-transaction", "--exit-on-error", f"--dbname={url}")
    code, said = _run(home, "pg_restore", *WHOSE, *how, stdin=file)
    if code:
        raise UsageError(f"nothing was restored: {said}")


def _require_dump(home: Path, file: IO[bytes]) -> None:
    file.seek(0)
    done = _run(home, "pg_restore", "--list", stdin=file, stdout=subprocess.PIPE)
    if done[0] or f"SCHEMA - {SCHEMA} " not in done[1]:
        raise UsageError("the file is no dump of a warehouse: `talkdesk-etl embedded dump FILE` makes one")


def _clear(home: Path, url: str) -> None:
    """Drop the schema, which must hold no row. A sync writes its run first, and cannot come between."""
    try:
        with psycopg.connect(url) as connection:
            connection.execute("SET LOCAL lock_timeout = '10s'")
            connection.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(SCHEMA, "sync_runs")))
            for table in metadata.sorted_tables:
                rows = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(SCHEMA, table.name))
                if connection.execute(rows).rowcount:
                    raise UsageError(
                        f"the embedded database in {home} holds data: dump it if need be, then give an empty folder "
                        "(TALKDESK_ETL_HOME)"
                    )
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(SCHEMA)))
    except psycopg.errors.LockNotAvailable:
        raise DatabaseError("the embedded database is in use: end what uses it, then try again") from None


def _run(home: Path, program: str, *arguments: str, **streams: Any) -> tuple[int, str]:
    """Return the exit code, and what was said: on stdout if that is piped here, else the first complaint."""
    with entered(home) as cluster:
        path = binaries_for(cluster) / program
    if not path.exists():
        raise UsageError(f"{path} is not there: install PostgreSQL's client programs of that version")
    done = subprocess.run((path, *arguments), stderr=subprocess.PIPE, check=False, **streams)  # noqa: S603 - full path
    if done.stdout:
        return done.returncode, done.stdout.decode(errors="replace")
    lines = done.stderr.decode(errors="replace").splitlines()
    complaints = [line.partition("error: ")[2] for line in lines if "error: " in line]
    return done.returncode, one_line((complaints or lines or ["it gave no reason"])[0])
