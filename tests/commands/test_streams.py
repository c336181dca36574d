"""Where the words go: a reader that leaves, a full disk, a closed stream, Ctrl-C while nobody reads."""

import io
import os
import signal
import subprocess
import sys
import tempfile
import time

import psycopg
import pytest
from sqlalchemy import Connection

from etl.commands import query
from etl.errors import NotWritten
from tests.account import Account
from tests.chaos.plug import plugged
from tests.chaos.process import wait_until
from tests.commands.command import Command
from tests.commands.conftest import settings

ENDLESS = "SELECT n, repeat('x', 99) AS t FROM generate_series(1, 5000) AS a, generate_series(1, 5000) AS n"
AT_WORK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'talkdesk-etl%' AND state <> 'idle'
"""
FULL = "talkdesk-etl: the answer could not be written: No space left on device\n"


def redirected(where: str, before: str = "true") -> Command:
    """The program under a shell that sends its streams there."""
    return Command(program=["sh", "-c", f'{before}; exec "$0" -m etl "$@" {where}', sys.executable])


def at_work(url: str) -> int:
    """How many of our statements the server runs."""
    with psycopg.connect(url, application_name="test") as connection:
        row = connection.execute(AT_WORK).fetchone()
    return int(row[0]) if row else 0


def is_asleep(url: str) -> bool:
    """True while a statement of the database sleeps."""
    with psycopg.connect(url, application_name="test") as connection:
        asked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        return connection.execute(asked).fetchone() is not None


def leave(process: "subprocess.Popen[str]") -> tuple[str, int]:
    """What the process says on stderr, and how it ends, once nobody reads its answer."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.wait(20)
    return process.stderr.read(), process.returncode


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_reader_that_has_seen_enough(database_url: str, form: str) -> None:
    """Ends the statement and the program, well and quietly."""
    with Command({"DATABASE_URL": database_url}).start("query", "--format", form, ENDLESS) as process:
        assert process.stdout is not None
        assert process.stdout.readline()

        assert ("", 0) == leave(process)
    assert 0 == at_work(database_url)


def test_a_reader_that_left_before_the_first_row(database_url: str) -> None:
    """Nobody waits for a statement whose answer nobody waits for."""
    with Command({"DATABASE_URL": database_url}).start("query", "SELECT pg_sleep(300)") as process:
        wait_until(lambda: is_asleep(database_url))

        assert ("", 0) == leave(process)
    assert 0 == at_work(database_url)


def test_an_error_behind_what_cannot_be_written(database_url: str) -> None:
    """It decides, and the rows that came before it are not missed at the very end."""
    sql = "SELECT 1 / (900 - n) FROM generate_series(1, 901) AS n"
    said = redirected(">/dev/full")("query", "--format", "csv", sql, DATABASE_URL=database_url)

    assert (2, "talkdesk-etl: the SQL failed: division by zero (SQLSTATE 22012)\n") == (said.code, said.err)


def test_ctrl_c_while_nobody_reads(database_url: str) -> None:
    """A pager that shows the first page keeps the program waiting in the middle of a word."""
    with Command({"DATABASE_URL": database_url}).start("query", "--format", "csv", ENDLESS) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(0.5)  # the pipe is full by then
        process.send_signal(signal.SIGINT)

        assert 130 == process.wait(20)
        assert process.stderr is not None
        assert "talkdesk-etl: interrupted\n" == process.stderr.read()
    assert 0 == at_work(database_url)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (1, ["query", "SELECT 1"]),
        (1, ["--help"]),
        (1, ["tables"]),
        (1, ["accounts"]),
        (9, ["status", "--max-age", "1h"]),
        (9, ["verify"]),
        (0, ["check"]),
    ],
)
def test_a_full_disk(acme: Account, code: int, arguments: list[str]) -> None:
    """Is said in a line; what was found out decides the exit code, and is not lost with its words."""
    said = redirected(">/dev/full")(*arguments, **settings(acme))

    assert (code, FULL) == (said.code, said.err)


@pytest.mark.parametrize("where", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_streams_that_are_closed(acme: Account, where: str) -> None:
    """No connection takes their place, and no verdict depends on them."""
    found = redirected(where)("status", "--json", "--max-age", "1h", **settings(acme))
    wrong = redirected(where)("sync", "--nonsense")

    assert (9, 2) == (found.code, wrong.code)
    assert (">&-" in where.split()) == (not found.out)


def test_a_full_disk_for_what_is_kept(database_url: str) -> None:
    """One object is kept until it is whole."""
    sql = ENDLESS.replace("5000", "500", 1)
    said = redirected("", before="ulimit -f 100")("query", "--json", sql, DATABASE_URL=database_url)

    assert 1 == said.code
    assert 1 == len(said.json["errors"])
    assert "TMPDIR" in said.err
    assert 1 == len(said.err.splitlines())


def test_a_read_only_disk_for_what_is_kept(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same."""
    monkeypatch.setattr(query, "SPOOL_BYTES", 10)
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(NotWritten, match="TMPDIR"):
        query.write_object(query.run_query(connection, "SELECT 1 FROM generate_series(1, 99)"), io.StringIO())


@pytest.mark.parametrize("arguments", [["sync"], ["query", "SELECT repeat('x', 90)"]])
def test_a_pipe_is_no_terminal(acme: Account, arguments: list[str]) -> None:
    """Whatever the environment would like for programs that people run."""
    forced = {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "COLUMNS": "20"}
    said = Command(settings(acme))(*arguments, **forced)

    assert "\x1b" not in said.out + said.err
    assert 85 <= max(map(len, said.out.splitlines()))


def test_a_pipe_that_does_not_block(database_url: str) -> None:
    """As some programs leave it to those they call: the answer waits for its reader, and is whole."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    arguments = ("query", "--format", "csv", "SELECT repeat('x', 99) FROM generate_series(1, 5000)")
    environment = Command({"DATABASE_URL": database_url}).environment
    with subprocess.Popen((sys.executable, "-m", "etl", *arguments), env=environment, stdout=write) as process:
        os.close(write)
        time.sleep(1)
        with os.fdopen(read, encoding="ascii") as answer:
            assert 5001 == len(answer.readlines())
    assert 0 == process.returncode


def test_a_server_that_hears_of_nothing(database_url: str) -> None:
    """It is hung up on: Ctrl-C does not wait for what the network has swallowed."""
    with (
        plugged(database_url) as plug,
        Command({"DATABASE_URL": plug.url}).start("query", "SELECT pg_sleep(300)") as process,
    ):
        wait_until(lambda: is_asleep(database_url))
        plug.jam()
        process.send_signal(signal.SIGINT)

        assert 130 == process.wait(10)
