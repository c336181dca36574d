"""Whatever a house sets for a role, all commands read, write and order as ever, on every version of the server."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from etl.commands.query import run_query, write_json
from etl.commands.status import read_status
from etl.verify import verify_accounts
from etl.warehouse import settings, tables
from etl.warehouse.opening import read_only
from tests import postgres
from tests.account import Account, changes, running
from tests.commands.command import Command

VERSIONS = ("18", "16")
TURNABLE = """
    SELECT name, vartype, boot_val, min_val, max_val, enumvals FROM pg_settings WHERE context = 'user' ORDER BY name
"""
TEXTS = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Kathmandu",
    "application_name": "house",
    "client_encoding": "LATIN1",
    "createrole_self_grant": "set",
    "default_tablespace": "pg_default",
    "default_text_search_config": "pg_catalog.german",
    "lc_monetary": "POSIX",
    "lc_numeric": "POSIX",
    "lc_time": "POSIX",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "search_path": "public, pg_catalog",
    "temp_tablespaces": "pg_default",
    "timezone_abbreviations": "India",
}
LIVABLE = {  # in a millisecond nobody can even ask for another time
    "statement_timeout": "50000",
    "transaction_timeout": "50000",
    "idle_in_transaction_session_timeout": "20000",
    "idle_session_timeout": "2000",
}
LEFT = {
    "local_preload_libraries": "a library that is not there ends every session",
    "default_table_access_method": "there is no other",
    "transaction_isolation": "said by BEGIN, not set for a role",
    "transaction_read_only": "said by BEGIN, not set for a role",
    "transaction_deferrable": "said by BEGIN, not set for a role",
}
QUESTION = """
    SELECT import_id, duration, created_at, data, '\\x00ff'::bytea AS bytes, 'a\\nb' AS text, 0.1::float8 + 0.2 AS sum,
        interval '1 year 2 days 03:04:05.6' AS span, date '2026-03-04' AS day, NULL::text = NULL AS nothing
    FROM import_history JOIN import_records USING (account, import_id) ORDER BY import_id, position
"""


class House(NamedTuple):
    """A database, and the URL of a role for which everything is turned."""

    owner: str
    url: str


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, session_folder: Path) -> postgres.Server:
    """A server of each version that the wheel brings."""
    return postgres.session_server(session_folder, request.param)


@pytest.fixture
def house(server: postgres.Server) -> Iterator[House]:
    """A migrated database; the role may do there what the documents grant, and migrate elsewhere."""
    with postgres.clone(server) as url:
        name = f"house_{uuid4().hex[:8]}"
        with psycopg.connect(url, autocommit=True) as owner:
            turned(owner, name)
            yield House(url, make_url(url).set(username=name, password="planted").render_as_string(hide_password=False))
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def turned(owner: "psycopg.Connection[Any]", name: str) -> None:
    role = sql.Identifier(name)
    for statement in (
        "CREATE ROLE {} LOGIN PASSWORD 'planted'",
        "GRANT USAGE ON SCHEMA talkdesk TO {}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA talkdesk TO {}",
    ):
        owner.execute(sql.SQL(statement).format(role))
    for setting, *known in owner.execute(TURNABLE).fetchall():
        value = LIVABLE.get(setting) or another(setting, *known)
        if value is not None:
            values = (
                sql.SQL(value) if setting in {"search_path", "DateStyle", "temp_tablespaces"} else sql.Literal(value)
            )
            change = sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), values)
            owner.execute(change)


def another(name: str, kind: str, boot: str, least: str, most: str, words: list[str] | None) -> str | None:
    """A legal value that is not the usual one; a new setting that is text must be decided by hand."""
    if name in LEFT:
        return None
    if kind == "bool":
        return "off" if boot == "on" else "on"
    if kind == "enum":
        return next((word for word in reversed(words or ()) if word != boot), None)
    if kind == "string":
        return TEXTS[name]
    near = float(boot) + 1 if float(boot) + 1 <= float(most) else float(boot) - 0.5
    return str(int(near)) if kind == "integer" else str(max(near, float(least)))


def test_each_is_decided(server: postgres.Server) -> None:
    """Of what a user may turn, each is either pinned or the house's own business; neither table holds a mistake."""
    ours = {name.lower() for name in settings.PINNED}
    theirs = [name for names in settings.HOUSE.values() for name in names]
    with psycopg.connect(server.url) as connection:
        names = {name.lower() for name, *_ in connection.execute(TURNABLE)}

    assert set() == names - ours - set(theirs)
    assert len(theirs) == len(set(theirs))
    assert not ours & set(theirs)


def test_everything_turned(house: House) -> None:
    """Sync, sync again, status, verification and question come to what they come to without."""
    with running(house.url, imports=5, records=4) as acme:
        first, second = acme.sync(), acme.sync()
        found = verify_accounts(house.url, [acme.settings], deep=True, stop=threading.Event())

        assert ([], []) == (first.failures, second.failures)
        assert {} == changes(second)
        assert (0, []) == (found.exit_code, found.differences)
        assert status(house.url) == status(house.owner)
        assert answer(house.owner) == answer(house.url)
        assert_same_as_without(acme, house)


def assert_same_as_without(acme: Account, house: House) -> None:
    """A sync of the owner's finds nothing to change in what the turned role has written."""
    assert {} == changes(replace(acme, url=house.owner).sync(full=True))


def status(url: str) -> Any:
    with read_only(url) as connection:
        found = read_status(connection).to_json()
    for account in found["accounts"].values():
        for resource in account["resources"].values():
            resource.pop("age_seconds")
            resource.pop("hours_until_loss")
    return found


def answer(url: str) -> str:
    out = StringIO()
    with read_only(url) as connection:
        write_json(run_query(connection, QUESTION), out)
    return out.getvalue()


def test_four_migrations_at_once(house: House) -> None:
    """Each ends at head, whoever was first; the schema is as ever."""
    with psycopg.connect(house.owner, autocommit=True) as owner:
        name = make_url(house.url)
        owner.execute("DROP SCHEMA talkdesk CASCADE")
        database, role = sql.Identifier(name.database or ""), sql.Identifier(name.username or "")
        owner.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, role))
    command = Command({"DATABASE_URL": house.url})
    said = [started.communicate(timeout=120) for started in [command.start("migrate") for _ in range(4)]]

    assert [f"the schema is at {tables.REVISION}"] * 4 == [out.partition(" (")[0].strip() for out, _ in said]
    with read_only(house.url):
        pass


def test_the_environment(acme: Account) -> None:
    """Nor does a variable of libpq change anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGTZ", "America/St_Johns")
        patch.setenv("PGDATESTYLE", "German")
        patch.setenv("PGCLIENTENCODING", "LATIN1")
        patch.setenv("PGGEQO", "off")
        patch.setenv("PGOPTIONS", "-c IntervalStyle=iso_8601 -c default_transaction_read_only=on")
        first = acme.sync()

    assert [] == first.failures
    assert {} == changes(acme.sync(full=True))


def test_a_busy_account_under_another_role(house: House) -> None:
    """Whose session that is, is kept from us; that it is busy, is not."""
    with running(house.url) as acme, psycopg.connect(house.owner) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('talkdesk-etl acme', 0))")
        [failure] = acme.sync().failures

    assert (7, "another sync of account acme is at work") == (failure.exit_code, failure.message)
