"""Whoever is killed, and whoever runs beside: nothing by half or twice, no lock left behind, the next run is level.

CHAOS_KILLS=100 in the environment kills a hundred times.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from etl.errors import DONE, LockHeld
from etl.sandbox.faults import rules
from etl.warehouse import embedded
from tests import account as accounts
from tests.account import Account
from tests.chaos.level import assert_level
from tests.chaos.plug import Strike, plugged
from tests.chaos.process import Sync, slowness, wait_until
from tests.launcher import is_alive

KILLS = int(os.environ.get("CHAOS_KILLS", "8"))
LOCKED = LockHeld.exit_code
KEYS = {
    "imports_versions": "import_id",
    "case_fields_versions": "field_key",
    "case_field_entries_versions": "field_key, entry_id",
}
TWISTED = """
    SELECT * FROM (
        SELECT valid_from, valid_to, lead(valid_from) OVER (PARTITION BY {keys} ORDER BY valid_from) AS next
        FROM talkdesk.{table} WHERE account = %s
    ) AS v WHERE valid_to <= valid_from OR (next IS NOT NULL AND (valid_to IS NULL OR valid_to > next))
"""
STORED = """
    SELECT record_id AS id, line, status, data FROM talkdesk.import_records
    WHERE account = %s AND import_id = %s ORDER BY position
"""
RUNS = "SELECT outcome FROM talkdesk.sync_runs WHERE account = %s ORDER BY started_at"
NAMES = "SELECT count(*) FROM talkdesk.case_fields_versions WHERE account = %s AND field_key = 'drop_down1'"
AHEAD = "UPDATE talkdesk.{table} SET {column} = {column} + interval '1 day' WHERE account = %s"
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND starts_with(application_name, 'talkdesk-etl ')"
WAITING = f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'"
INSERTING = f"SELECT count(*) {OURS} AND state = 'active' AND query LIKE '%%INTO talkdesk.imports%%'"

Records = list[dict[str, Any]]


@pytest.fixture
def acme(shared_url: str) -> Iterator[Account]:
    """An account that was never synced."""
    with accounts.running(shared_url, name=f"acme-{uuid4().hex[:12]}", imports=10, records=60, per_page=20) as acme:
        yield acme


def life_goes_on(account: Account, rng: Random) -> None:
    """Half of the imports have other records, and there is a bit of everything else."""
    world = account.world
    for one in rng.sample([one for one in world.imports() if one.records], 5):
        world.replace_records(one.id, [record | {"status": uuid4().hex} for record in one.records[rng.randint(0, 3) :]])
        with world.changing_import(one.id) as item:
            item.update(filename=uuid4().hex, status="COMPLETED")
    world.add_import(status="COMPLETED_WITH_ERRORS", records=50)
    world.forget(world.imports()[-1].id)
    world.rename_field("drop_down1", uuid4().hex)
    for key in ("001", "002"):
        world.rename_entry("dependent_field1", (key,), uuid4().hex)


def served(account: Account) -> dict[str, Records]:
    """The records of each import, as far as they are compared here."""
    names = ("id", "line", "status", "data")
    return {
        one.id: [{name: record[name] for name in names} for record in one.records]
        for one in account.world.imports()
        if one.item["type"] != "EXPORT_USERS"
    }


def assert_whole(account: Account, *generations: dict[str, Records]) -> None:
    """Each import has the records of one state of the source, or none; no two versions are current at once."""
    names = {one.id: one.item["filename"] for one in account.world.imports()}
    for row in account.rows("SELECT * FROM talkdesk.imports WHERE account = %s", account.name):
        import_id = row["import_id"]
        states = [generation.get(import_id, []) for generation in generations]
        found = account.rows(STORED, account.name, import_id)

        assert found in ([], *states)
        if row["records_loaded_at"] and row["filename"] == names.get(import_id):
            assert found == states[-1]
    assert_untwisted(account)


def assert_untwisted(account: Account) -> None:
    """Versions follow each other, and at most the last one is current."""
    for table, keys in KEYS.items():
        assert [] == account.rows(TWISTED.format(table=table, keys=keys), account.name)


def assert_free(account: Account) -> None:
    """Within the time that a sync waits for it, the account's lock is to be had."""
    with psycopg.connect(account.url) as connection:
        connection.execute("SET LOCAL lock_timeout = '1900ms'")
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"talkdesk-etl {account.name}",))


def assert_level_next(account: Account, *before: str) -> None:
    """The next run ends level, after runs that ended like this."""
    account.sandbox.faults.clear()
    outcome = account.sync()

    assert (DONE, []) == (outcome.exit_code, outcome.failures)
    assert [*before, "succeeded"] == account.column(RUNS, account.name)
    assert_level(account.sandbox, account.url, account.name)


# Killed


def killed_at_some_time(account: Account, rng: Random) -> None:
    """Anywhere between the first line and the last."""
    account.sandbox.faults.use("slow=0.05")
    sync = Sync(account)
    wait_until(sync.is_listening)
    time.sleep(rng.uniform(0.2, 1.0))
    sync.kill()
    account.sandbox.faults.clear()


def killed_at_some_message(account: Account, rng: Random) -> None:
    """While the database is at work, or is about to be, or has just been."""
    with plugged(account.url) as plug:
        sync = Sync(replace(account, url=plug.url))
        plug.strike = Strike(sync.process.kill, number=rng.randint(40, 140), answered=rng.random() < 0.5)
        sync.finish()


@pytest.mark.parametrize("seed", range(KILLS))
def test_kills(acme: Account, seed: int) -> None:
    """At random instants, of a first sync and of a later one."""
    rng, before = Random(seed), [served(acme)]  # noqa: S311 - the same kill for the same seed
    kill = (killed_at_some_message, killed_at_some_time)[seed % 2]
    if seed % 3:
        acme.sync()
        life_goes_on(acme, rng)
    kill(acme, rng)

    assert_whole(acme, *before, served(acme))
    assert_free(acme)
    ended = ["died" if outcome == "running" else outcome for outcome in acme.column(RUNS, acme.name)]
    assert_level_next(acme, *ended)


@pytest.mark.parametrize("table", ["import_records", "case_fields"])
def test_killed_while_a_statement_waits(acme: Account, table: str) -> None:
    """Its session at the server notices soon, and does not go on as a ghost that holds the lock."""
    with psycopg.connect(acme.url) as blocker:
        blocker.execute(f"LOCK TABLE talkdesk.{table}".encode())
        sync = Sync(acme)
        wait_until(lambda: acme.value(WAITING))
        sync.kill()

        assert_free(acme)
    assert_level_next(acme, "died")


@pytest.mark.parametrize("work", ["PERFORM pg_sleep(30)", "LOOP PERFORM 1; END LOOP"], ids=["asleep", "busy"])
def test_killed_while_a_statement_works(acme: Account, work: str) -> None:
    """The same if there is no lock to wait for."""
    name = f"dawdle_{uuid4().hex[:8]}"
    acme.command(f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {work}; END $$")
    acme.command(f"CREATE TRIGGER {name} BEFORE INSERT ON talkdesk.imports EXECUTE FUNCTION public.{name}()")
    sync = Sync(acme)
    wait_until(lambda: acme.value(INSERTING))
    sync.kill()

    assert_free(acme)
    acme.command(f"DROP FUNCTION public.{name} CASCADE")
    assert_level_next(acme, "died")


# Beside each other


@contextmanager
def at_work(account: Account, *arguments: str, **settings: str) -> Iterator[Sync]:
    """Inside, a sync has the account's lock and waits for the source; then it is asked to stop."""
    rule = account.sandbox.faults.use(f"hang,path={rules.IMPORTS}")
    sync = Sync(account, *arguments, **settings)
    wait_until(lambda: rule.struck)
    account.sandbox.faults.remove(rule)
    try:
        yield sync
    finally:
        sync.send(signal.SIGTERM)


@pytest.mark.parametrize("first", ["sync", "dry run"])
@pytest.mark.parametrize("second", ["sync", "dry run"])
def test_two_syncs_of_one_account(acme: Account, first: str, second: str) -> None:
    """One works; the other ends within seconds, names it, and leaves no row."""
    arguments = {"sync": ("sync", "--json"), "dry run": ("sync", "--json", "--dry-run")}
    with at_work(acme, *arguments[first]) as holder:
        began = time.monotonic()
        code, answer = Sync(acme, *arguments[second]).answer()
        seconds = time.monotonic() - began
    run = holder.answer()[1]["run_id"]

    assert (LOCKED, "busy") == (code, answer["outcome"])
    [error] = answer["errors"]
    assert error["message"].startswith(f"another sync of account {acme.name} is at work: run {run}, since 20")
    assert seconds < 4 * slowness()
    assert ([] if first == "dry run" else ["interrupted"]) == acme.column(RUNS, acme.name)


def test_a_dead_run_is_not_taken_for_the_one_at_work(acme: Account) -> None:
    """What the ledger calls running may be dead; the lock knows better."""
    with at_work(acme) as dead:
        dead.kill()
    with at_work(acme, "sync", "--json", "--dry-run") as holder:
        _, answer = Sync(acme).answer()

    assert f"run {holder.answer()[1]['run_id']}," in answer["errors"][0]["message"]
    assert_level_next(acme, "died")


def test_two_accounts_side_by_side(acme: Account) -> None:
    """Neither waits for the other."""
    other = replace(acme, name=f"{acme.name}-2")
    with at_work(acme):
        code, answer = Sync(other).answer()

    assert (DONE, "succeeded") == (code, answer["outcome"])
    assert_level(other.sandbox, other.url, other.name)


# One embedded database


def embedded_at(home: Path) -> dict[str, str]:
    """The settings of a sync that names no database."""
    return {"DATABASE_URL": "", "TALKDESK_ETL_HOME": str(home)}


def test_many_runs_on_a_new_embedded_database(acme: Account, home: Path) -> None:
    """They make it together, share it, and the last one stops it; of each account one works at a time."""
    names = ["one", "two", "two", "three"]
    syncs = [Sync(replace(acme, name=name), **embedded_at(home)) for name in names]
    ends = [(name, *sync.answer()) for name, sync in zip(names, syncs, strict=True)]

    assert {code for _, code, _ in ends} <= {DONE, LOCKED}, [answer["errors"] for _, _, answer in ends]
    assert {"one", "two", "three"} == {name for name, code, _ in ends if code == DONE}
    assert not is_alive(home)
    with embedded.running(home) as url:
        for name in set(names):
            assert_level(acme.sandbox, url, name)


def test_one_of_those_who_share_it_is_killed(acme: Account, home: Path) -> None:
    """The database stays while the other works, and goes with it."""
    other = replace(acme, name="other")
    with at_work(acme, **embedded_at(home)) as killed, at_work(other, **embedded_at(home)) as last:
        killed.kill()
        assert is_alive(home)

    assert "interrupted" == last.answer()[1]["outcome"]
    assert not is_alive(home)
    with embedded.running(home) as url:
        assert_level_next(replace(acme, url=url), "died")


def test_the_only_one_is_killed(acme: Account, home: Path) -> None:
    """The database is left running; the next run joins it, ends level, and stops it."""
    with at_work(acme, **embedded_at(home)) as killed:
        killed.kill()
    assert is_alive(home)
    code, answer = Sync(acme, **embedded_at(home)).answer()

    assert (DONE, []) == (code, answer["errors"])
    assert not is_alive(home)
    with embedded.running(home) as url:
        assert ["died", "succeeded"] == replace(acme, url=url).column(RUNS, acme.name)


# The clock


def test_a_clock_that_jumped_back(acme: Account) -> None:
    """What is known already lies in the future: versions still follow each other, and none is lost."""
    rng = Random(1)  # noqa: S311 - the same life in every run
    acme.sync()
    for table in KEYS:
        acme.change(AHEAD.format(table=table, column="valid_from"), acme.name)
    acme.change(AHEAD.format(table="sync_runs", column="started_at"), acme.name)
    counted = []
    for _ in range(3):
        life_goes_on(acme, rng)
        acme.world.remove_field("drop_down2")
        assert DONE == acme.sync().exit_code
        acme.world.restore_field("drop_down2")
        assert DONE == acme.sync().exit_code
        assert_untwisted(acme)
        assert_level(acme.sandbox, acme.url, acme.name)
        counted.append(acme.value(NAMES, acme.name))

    assert [2, 3, 4] == counted
