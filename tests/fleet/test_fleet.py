"""A queue and its workers: what is due or was asked for is synced once, by whoever is free, and whoever dies."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from etl.commands import fleet as commands
from etl.config import Configured
from etl.errors import DONE, DatabaseError, UsageError
from etl.fleet import schema
from etl.fleet.tasks import Wish
from etl.sandbox.faults import rules
from etl.warehouse.connections import open_engine
from etl.warehouse.queue import read_queue
from tests.account import Account, running
from tests.chaos.process import wait_until
from tests.commands.command import Command
from tests.commands.conftest import settings

if TYPE_CHECKING:
    import subprocess

QUICK = """
import sys
import attr
from etl.fleet import tasks, working
tasks.STALLED_SECONDS = working.STALLED_SECONDS = 2.0
working.HEARTBEAT_SECONDS = 0.5
known = tasks.app.periodic_registry.periodic_tasks
known.update({key: attr.evolve(each, cron="* * * * * *") for key, each in known.items()})
from etl.__main__ import main
sys.exit(main())
"""
"""The program with a worker that ticks each second, and takes others for dead sooner."""

OLDER = "03.03.00_01_pre_priority_lock_fetch_job"
OPEN = "SELECT count(*) FROM talkdesk.sync_runs WHERE outcome = 'running'"
ENDED = "SELECT account FROM talkdesk.sync_runs WHERE outcome = 'succeeded' ORDER BY account"
BY_STATUS = "SELECT status::text FROM procrastinate.procrastinate_jobs WHERE queue_name = 'accounts' ORDER BY id"


@pytest.fixture
def queue(acme: Account) -> Account:
    """An account whose warehouse has a queue."""
    assert None is schema.migrate(acme.url)[0]
    return acme


@pytest.fixture
def house(queue: Account, tmp_path: Path) -> Iterator[tuple[Account, Command]]:
    """Four accounts, the third of which hangs; what is told of them to a worker."""
    with running(queue.url, name="stuck") as stuck:
        stuck.sandbox.faults.use(f"hang,path={rules.RECORDS}")
        file = tmp_path / "accounts.toml"
        file.write_text(
            "\n".join(
                f'[accounts.{name}]\napi_url = "{one.sandbox.url}"\ntoken_url = "{one.sandbox.token_url}"\n'
                'client_id = "sandbox"\nclient_secret = "sandbox"\n'
                for name, one in {"a": queue, "b": queue, "stuck": stuck, "z": queue}.items()
            ),
            encoding="utf-8",
        )
        variables = {"DATABASE_URL": queue.url, "TALKDESK_ETL_CONFIG": str(file)}
        yield queue, Command(variables, (sys.executable, "-c", QUICK))


@contextmanager
def at_work(command: Command, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A worker, which is killed if the test forgets it."""
    process = command.start("worker", "--json", *arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stopped(process: "subprocess.Popen[str]") -> tuple[int, Any, str]:
    """What a worker came to that was asked to stop."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    return process.returncode, json.loads(out), err


# The schema


def test_a_schema_of_its_own(acme: Account) -> None:
    """Made once, and found at the same migration again; nothing of it stands among our tables."""
    before = acme.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'talkdesk'::regnamespace")
    first, second = schema.migrate(acme.url), schema.migrate(acme.url)

    assert (None, first[1]) == first
    assert (first[1], first[1]) == second
    assert before == acme.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'talkdesk'::regnamespace")
    assert acme.value("SELECT to_regclass('procrastinate.procrastinate_jobs') IS NOT NULL")


def test_an_older_version(acme: Account) -> None:
    """Procrastinate's own migrations take it on."""
    scripts = [path for path in schema._migrations() if path.stem <= OLDER]
    with psycopg.connect(acme.url) as connection:
        connection.execute("CREATE SCHEMA procrastinate; SET LOCAL search_path = procrastinate")
        for path in scripts:
            connection.execute(path.read_bytes())
        connection.execute(f"COMMENT ON SCHEMA procrastinate IS '{schema.NOTE}{OLDER}'".encode())

    with pytest.raises(DatabaseError, match="migrate --worker"):
        commands.enqueue(acme.url, [], None, full=False, stop=threading.Event())
    assert OLDER == schema.migrate(acme.url)[0]
    assert 1 == commands.enqueue(acme.url, [Configured(name="a")], None, full=False, stop=threading.Event())["enqueued"]


def test_somebody_elses_schema(acme: Account) -> None:
    """It is left alone."""
    acme.command("CREATE SCHEMA procrastinate")

    with pytest.raises(DatabaseError, match="was not made by talkdesk-etl"):
        schema.migrate(acme.url)


def test_whoever_may_not_look(queue: Account) -> None:
    """Sees no queue, and no error."""
    role = f"looker_{threading.get_ident()}"
    queue.command(f"CREATE ROLE {role}")
    try:
        with open_engine(queue.url).connect() as connection, connection.begin():
            assert (0, 0, 0, None) == read_queue(connection)
            connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
            assert None is read_queue(connection)
    finally:
        queue.command(f"DROP ROLE {role}")


def test_a_role_without_rights(queue: Account) -> None:
    """It is told the statements that give them, and with these it works."""
    role = f"worker_{threading.get_ident()}"
    queue.command(f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA talkdesk TO {role}")
    queue.command(f"GRANT ALL ON ALL TABLES IN SCHEMA talkdesk TO {role}")
    try:
        url = str(make_url(queue.url).set(username=role).render_as_string(hide_password=False))
        ask = partial(commands.enqueue, url, [Configured(name="a")], None, full=False, stop=threading.Event())
        with pytest.raises(DatabaseError, match="lacks a right: GRANT USAGE ON SCHEMA procrastinate") as caught:
            ask()
        queue.command(str(caught.value).partition(": ")[2])
        assert {"enqueued": 1, "already": 0} == ask()
    finally:
        queue.command(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setattr(commands, "find_spec", lambda _: None)

    with pytest.raises(UsageError, match=r"talkdesk-etl\[worker\]"):
        commands.require_extra()


# Asking


def test_asked_for_once(house: tuple[Account, Command]) -> None:
    """A plain sync waits once; a backfill is another wish; a name that is not configured is refused."""
    acme, command = house
    window = ("--from", "2026-03-01", "--to", "2026-03-31")
    said = [command("enqueue", "--json", *more) for more in ([], ["--account", "a"], window, window)]

    assert [(4, 0), (0, 1), (4, 0), (0, 4)] == [(one.json["enqueued"], one.json["already"]) for one in said]
    assert 2 == command("enqueue", "--account", "nobody").code
    none = command("enqueue", "--account", "a", *window, TALKDESK_RESOURCES="case-fields")
    assert (2, True) == (none.code, "none of these accounts has imports" in none.err)
    queue = command("status", "--json").json["queue"]
    assert ({"waiting": 8, "doing": 0, "failed": 0}, True) == (
        {name: queue[name] for name in ("waiting", "doing", "failed")},
        queue["oldest_seconds"] >= 0,
    )
    assert "queue: 8 waiting" in command("status").out
    march = Wish("a", "2026-03-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00")
    assert march._asdict() == acme.column("SELECT args FROM procrastinate.procrastinate_jobs ORDER BY id")[4]


def test_without_a_queue(acme: Account) -> None:
    """It says what makes one; status has none to show."""
    command = Command(settings(acme))

    for arguments in (["enqueue"], ["worker"]):
        said = command(*arguments)
        assert (6, True) == (said.code, "migrate --worker" in said.err)
    assert "queue" not in command("status", "--json").json


# Working


def test_a_worker_beside_an_account_that_hangs(house: tuple[Account, Command]) -> None:
    """The others are synced, once each; asked to stop, it closes what is under way at once."""
    acme, command = house
    with at_work(command, "--jobs", "2", "--due", "1h") as process:
        wait_until(lambda: ["a", "b", "z"] == acme.column(ENDED))
        code, said, _ = stopped(process)

    assert (DONE, 3, 0) == (code, said["synced"], said["failed"])
    assert said["interrupted"] >= 1  # whose job began at the very end, too
    assert ["a", "b", "stuck", "z"] == acme.column("SELECT account FROM talkdesk.sync_runs ORDER BY account")
    assert 0 == acme.value(OPEN)
    assert "doing" not in acme.column(BY_STATUS)


def test_one_that_dies_is_relieved(house: tuple[Account, Command]) -> None:
    """What it held is finished as failed, the account is due, and another worker syncs it."""
    acme, command = house
    with at_work(command, "--jobs", "1") as first:
        wait_until(lambda: 1 == acme.value(f"{OPEN} AND account = 'stuck'"))
        first.kill()
        first.wait()
    acme.change("UPDATE talkdesk.sync_runs SET started_at = started_at - interval '2 hours' WHERE account = 'stuck'")
    with at_work(command, "--jobs", "2") as second:
        wait_until(lambda: "died" in acme.column("SELECT outcome FROM talkdesk.sync_runs WHERE account = 'stuck'"))
        wait_until(lambda: "failed" in acme.column(BY_STATUS))
        wait_until(lambda: {"a", "b", "z"} == {*acme.column(ENDED)})
        code, _, _ = stopped(second)

    assert DONE == code
    assert 0 == acme.value(OPEN)


def test_the_database_goes_away(house: tuple[Account, Command]) -> None:
    """The worker ends with one line, and whoever supervises it starts it again."""
    acme, command = house
    with at_work(command) as process:
        wait_until(lambda: "a" in acme.column(ENDED))
        acme.command("ALTER SCHEMA procrastinate RENAME TO away")
        out, err = process.communicate(timeout=30)

    assert 6 == process.returncode
    assert ("Traceback" in err, "the queue cannot be reached" in err) == (False, True)
    assert "failed" == json.loads(out)["outcome"]
