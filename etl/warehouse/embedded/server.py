"""Starting, joining and stopping the server."""

import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from etl.errors import DatabaseError, EtlError
from etl.warehouse.embedded.binaries import binaries_for
from etl.warehouse.embedded.locks import await_lock, open_private, read_owned, shared, try_lock, unlink_owned
from etl.warehouse.embedded.owners import LOCALE, run
from etl.warehouse.embedded.places import (
    SOCKET,
    SUPERUSER,
    Cluster,
    entered,
    explained,
    leave_nothing_elsewhere,
    make_home,
)
from etl.warehouse.settings import keep

logger = logging.getLogger(__name__)

DATABASE = "talkdesk"
START_SECONDS = 120  # a crash recovery takes its time
STOP_SECONDS = 60
SILENT_SECONDS = 30
LEAVE_SECONDS = 1  # whoever leaves last need not watch a long checkpoint
LOG_BYTES = 1_000_000
FULL_BYTES = 1_000_000
FULL = ("No space left on device", "Check free disk space")  # initdb has no SQLSTATE to go by
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "talkdesk-etl",
    # An ERROR, its DETAIL and its statement may quote rows. LOG ranks above ERROR here, FATAL above both.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


def start(home: Path, *, settings: Mapping[str, str] | None = None) -> str:
    """Return the URL of the database in `home`, whose server runs from now on, also when this process has ended.

    `stop` ends it, and so does the last to leave `running`. A server that runs already is joined, and `settings`
    are then without effect.
    """
    with entered(home) as cluster:
        if not _answers(cluster):
            _launch(cluster, settings or {})
        _require_database(cluster)
    return cluster.url(DATABASE)


def stop(home: Path) -> None:
    """Stop the server in `home`; nobody is connected to it."""
    with explained(home):
        started = (home / "start.lock").exists()
    if started:
        with entered(home) as cluster:
            _end(cluster, patience=STOP_SECONDS)
            leave_nothing_elsewhere(cluster)


@contextmanager
def running(home: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run the server inside and give its URL. The last process to leave stops it.

    A process that is killed leaves the server to the next one, which joins it, and stops it when it leaves.
    """
    with explained(home):
        users = open_private(make_home(home) / "users.lock")
    with users:
        try:
            with shared(users):
                yield start(home, settings=settings)
        finally:
            _leave(home)


def _leave(home: Path) -> None:
    """Stop the server unless somebody uses it; what was done does not fail because of this."""
    try:
        with entered(home, patience=LEAVE_SECONDS) as cluster, open_private(cluster.users) as users:
            if try_lock(users):
                _end(cluster, patience=LEAVE_SECONDS)
    except EtlError as error:
        logger.info("embedded PostgreSQL left running: %s", error)


def _answers(cluster: Cluster) -> bool:
    """Tell whether a server answers on the socket; one that starts, recovers or ends is waited for.

    No pid file is believed: its number may belong to another process by now.
    """
    began = time.monotonic()
    with open_private(cluster.lock) as lock:
        while (ping := _ping(cluster.socket)) is not Ping.OK:
            if try_lock(lock):
                return False
            if time.monotonic() - began > (START_SECONDS if ping is Ping.REJECT else SILENT_SECONDS):
                raise DatabaseError(f"the PostgreSQL of {cluster.home} does not answer: see {cluster.log}")
            time.sleep(0.05)
    return True


def _ping(folder: Path | str, port: str = "5432") -> Ping:
    where = make_conninfo(host=str(folder), port=port, user=SUPERUSER, dbname="postgres", connect_timeout=5)
    return Ping(PGconn.ping(os.fsencode(where)))


def _launch(cluster: Cluster, settings: Mapping[str, str]) -> None:
    """Launch a server; it answers on the socket.

    initdb inherits the lock too: should we be killed, the next one waits until it has ended.
    """
    binaries = binaries_for(cluster)
    if cluster.log.exists() and cluster.log.stat().st_size > LOG_BYTES:
        cluster.log.rename(cluster.log.with_suffix(".log.1"))
    with open_private(cluster.lock) as lock:
        try_lock(lock)
        if not cluster.data.exists():
            _initialise(cluster, binaries, lock.fileno())
        _forget_the_dead(cluster)
        how = ("-s", "-w", "-t", str(START_SECONDS), "-o", _options(cluster, settings))
        _require_success((binaries / "pg_ctl", "start", *how), cluster, inherited=[lock.fileno()])
    logger.debug("embedded PostgreSQL started: home=%s", cluster.home)


def _options(cluster: Cluster, settings: Mapping[str, str]) -> str:
    """Return the server's arguments, quoted for the shell through which pg_ctl starts it."""
    folder = '"{}"'.format(str(cluster.socket).replace('"', '""'))
    values = {**SETTINGS, "unix_socket_directories": folder, **settings}
    return shlex.join(word for name, value in values.items() for word in ("-c", f"{name}={value}"))


def _initialise(cluster: Cluster, binaries: Path, lock: int) -> None:
    """Initialise the data folder; it is complete, for an unfinished one has another name."""
    unfinished = cluster.server / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with suppress(OSError):  # a link, which rmtree leaves where it is
        unfinished.unlink()
    form = ("-E", "UTF8", f"--locale={LOCALE}", "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject")
    command = (binaries / "initdb", "-D", unfinished.name, "--no-instructions", *form)
    _require_success(command, cluster, inherited=[lock])
    unfinished.rename(cluster.data)


def _forget_the_dead(cluster: Cluster) -> None:
    """Forget numbers of dead processes that keep PostgreSQL from starting: others may bear them by now.

    Nothing of ours runs here, so a server that lives was started by hand, and has its socket elsewhere.
    """
    match (read_owned(cluster.data, "postmaster.pid", owner=cluster.owner) or "").splitlines():
        case [pid, _, _, port, folder, *_] if folder and _ping(folder, port) is not Ping.NO_RESPONSE:
            process = f": end process {pid}" if pid.isdecimal() else ""
            raise DatabaseError(f"{cluster.data} is in use by a PostgreSQL started by hand{process}")
    unlink_owned(cluster.data, "postmaster.pid", owner=cluster.owner)
    unlink_owned(cluster.socket, SOCKET, f"{SOCKET}.lock", owner=cluster.owner)


def _require_database(cluster: Cluster) -> None:
    try:
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            keep(connection)
            found = connection.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", (DATABASE,))
            if not found.rowcount:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    except psycopg.Error as error:
        reason = str(error).partition("\n")[0]
        raise DatabaseError(f"the embedded PostgreSQL refuses: {reason}; see {cluster.log}") from error


def _end(cluster: Cluster, *, patience: int) -> None:
    """End the server; a process that merely bears its number is left alone."""
    with open_private(cluster.lock) as lock:
        if try_lock(lock):
            return
        if _ping(cluster.socket) is not Ping.NO_RESPONSE:
            how = ("-s", "-w", "-m", "fast", "-t", str(patience))
            _require_success((binaries_for(cluster) / "pg_ctl", "stop", *how), cluster)
        if not await_lock(lock, patience):
            raise DatabaseError(f"the PostgreSQL of {cluster.home} does not end: see {cluster.log}")
    logger.debug("embedded PostgreSQL stopped: home=%s", cluster.home)


def _require_success(command: Sequence[str | Path], cluster: Cluster, *, inherited: Sequence[int] = ()) -> None:
    """Raise with the program's own last word unless it succeeds."""
    with open_private(cluster.log, os.O_APPEND) as log:
        began = log.seek(0, os.SEEK_END)
        if run(command, cluster.account, folder=cluster.server, log=log, inherited=inherited):
            log.seek(began)
            reason = _reason(log.read().decode(errors="replace"), cluster)
            raise DatabaseError(f"the embedded PostgreSQL failed: {reason}; see {cluster.log}")


def _reason(said: str, cluster: Cluster) -> str:
    """Return the first complaint, of which others are consequences, without its time stamp; else the last line."""
    complaint = re.search(r"(?:FATAL|PANIC|error): +(.+)", said)
    words = complaint[1] if complaint else (said.splitlines() or ["it gave no reason"])[-1]
    # A full disk does not even take a line of log.
    full = any(sign in said for sign in FULL) or shutil.disk_usage(cluster.server).free < FULL_BYTES
    return f"the disk is full ({words})" if full else words
