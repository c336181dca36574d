"""`check`: every item by itself, what is wrong with it, and what to do."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from etl.commands import check
from etl.commands.check import Checks, check_everything
from etl.errors import Interrupted
from etl.sandbox import Sandbox, running
from etl.warehouse.tables import metadata
from tests.chaos.process import wait_until

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A source with a few imports."""
    with running(imports=4, records=3) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def settings(sandbox: Sandbox, database_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which everything is right; who changes it, gets it wrong."""
    for name, value in {
        "DATABASE_URL": database_url,
        "TALKDESK_ACCOUNT": "acme",
        "TALKDESK_API_URL": sandbox.url,
        "TALKDESK_TOKEN_URL": sandbox.token_url,
        "TALKDESK_CLIENT_ID": "sandbox",
        "TALKDESK_CLIENT_SECRET": "sandbox",
        "TALKDESK_RETRY_SECONDS": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def checked() -> Checks:
    """What a check came to."""
    return check_everything(stop=threading.Event())


def failures(checks: Checks) -> dict[str, str]:
    """The messages of what failed."""
    return {item.what: item.message for item in checks.items if not item.ok}


@pytest.mark.usefixtures("settings")
def test_everything_is_right() -> None:
    """Each item passes and says what was seen."""
    checks = checked()
    seen = {item.what: item.message for item in checks.items}

    assert {} == failures(checks)
    assert checks.exit_code == 0
    assert seen["acme: imports"] == "4 on the first page, 4 in all"
    assert seen["acme: case fields"] == "12 on the first page"
    assert seen["acme: scopes"] == "bulk-imports:read case-fields-public:read"
    assert seen["settings"] == "account acme"
    assert seen["acme: source"].endswith("the first sync binds the account to it")


def test_hash_columns(settings: pytest.MonkeyPatch, database_url: str) -> None:
    """The columns seen are listed; a name that no stored record has is a mistake, an unhashed row is counted."""
    add = """
        INSERT INTO talkdesk.imports (account, import_id, records_loaded, records_privacy)
        VALUES ('acme', 'i1', 1, 'keep');
        INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)
        VALUES ('acme', 'i1', 'position:0', 0, '{"Shoe Size": "44", "Work Email": "a"}')
    """
    settings.setenv("TALKDESK_HASH_COLUMNS", "Shoe size,Work Email")
    settings.setenv("TALKDESK_HASH_KEY", "planted-key")
    assert {} == failures(checked())
    with psycopg.connect(database_url) as connection:
        connection.execute(add.encode())
    checks = checked()
    message = failures(checks)["acme: hash columns"]

    assert "has a column 'Shoe size'; columns seen: " in message
    assert "Shoe Size" in message
    assert 2 == checks.exit_code
    assert "planted-key" not in str(checks.to_json())
    (privacy,) = [item.message for item in checks.items if item.what == "acme: privacy"]
    assert privacy.startswith("1 records were stored under other privacy settings")


def test_another_source(settings: pytest.MonkeyPatch, sandbox: Sandbox, database_url: str) -> None:
    """What a sync would refuse is said before it does."""
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO talkdesk.accounts VALUES ('acme', %s, %s)", (NOBODY, sandbox.token_url))
    failed = failures(checked())

    assert ["acme: source"] == list(failed)
    assert f"{sandbox.url} instead of {NOBODY}" in failed["acme: source"]
    settings.setenv("TALKDESK_ACCOUNT", "zenith")
    assert {} == failures(checked())


def test_command(settings: pytest.MonkeyPatch) -> None:
    """The command prints one JSON object, or lines for people, and ends with the code."""
    command = [sys.executable, "-m", "etl", "check"]
    machine = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    settings.setenv("TALKDESK_CLIENT_SECRET", "planted-secret")
    person = subprocess.run(command, capture_output=True, text=True, check=False)

    assert json.loads(machine.stdout)["ok"]
    assert machine.returncode == 0
    assert person.returncode == 4
    assert "items failed" in person.stdout
    assert "planted-secret" not in person.stdout + person.stderr


def test_no_settings(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Every missing setting is named, and the database is tried all the same."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    checks = checked()

    assert ["settings"] == list(failures(checks))
    assert "TALKDESK_ACCOUNT" in failures(checks)["settings"]
    assert "TALKDESK_CLIENT_ID" in failures(checks)["settings"]
    assert checks.exit_code == 2
    assert {"database", "schema", "rights"} < {item.what for item in checks.items}


def test_wrong_database_setting(settings: pytest.MonkeyPatch) -> None:
    """What hangs on it is listed as not tried, and the account is tried all the same."""
    settings.setenv("DATABASE_URL", "mysql://planted-secret@db/w")
    checks = checked()
    failed = failures(checks)

    assert ["settings", "database", *check.NEEDS_CONNECTION] == list(failed)
    assert "DATABASE_URL" in failed["settings"]
    assert {"not tried: first settings must be right"} == {failed[what] for what in list(failed)[1:]}
    assert checks.exit_code == 2
    assert "acme: imports" in {item.what for item in checks.items if item.ok}
    assert "planted-secret" not in str(checks.to_json())


def test_wrong_secret(settings: pytest.MonkeyPatch) -> None:
    """Without a token nothing else of the account can be tried; the warehouse can."""
    settings.setenv("TALKDESK_CLIENT_SECRET", "planted-secret")
    checks = checked()
    failed = failures(checks)

    assert {f"acme: {what}" for what in ("token", "scopes", "imports", "records", "case fields")} == set(failed)
    assert "TALKDESK_CLIENT_ID" in failed["acme: token"]
    assert "not tried" in failed["acme: imports"]
    assert checks.exit_code == 4
    assert "planted-secret" not in str(checks.to_json())


@pytest.mark.usefixtures("settings")
def test_missing_scope(sandbox: Sandbox) -> None:
    """A scope that is not granted is named twice: where it is granted, and where it is needed."""
    sandbox.faults.use("scope=bulk-imports:read")
    failed = failures(checked())

    assert {"acme: scopes", "acme: case fields"} == set(failed)
    assert all("case-fields-public:read" in message for message in failed.values())


def test_unreachable_source(settings: pytest.MonkeyPatch) -> None:
    """A host that does not answer ends 3, with advice."""
    settings.setenv("TALKDESK_API_URL", NOBODY)
    checks = checked()

    assert {"acme: imports", "acme: records", "acme: case fields"} == set(failures(checks))
    assert "check network" in failures(checks)["acme: imports"]
    assert checks.exit_code == 3


@pytest.mark.usefixtures("settings")
def test_login_page(sandbox: Sandbox) -> None:
    """An address that answers with something else than JSON is told as such."""
    sandbox.faults.use("login-page")
    checks = checked()

    assert "TALKDESK_API_URL" in failures(checks)["acme: imports"]
    assert checks.exit_code == 5


@pytest.mark.usefixtures("settings")
def test_records_that_are_gone(sandbox: Sandbox) -> None:
    """A 404 on the records of an import is normal, and no import at all is, too."""
    sandbox.faults.use("404,path=/records")

    assert {} == failures(checked())


@pytest.mark.usefixtures("settings")
def test_forbidden_records(sandbox: Sandbox) -> None:
    """Records may need a right of their own."""
    sandbox.faults.use("403,path=/records")

    assert ["acme: records"] == list(failures(checked()))


def test_database_down(settings: pytest.MonkeyPatch) -> None:
    """Without a database the source is tried all the same; no password is shown."""
    settings.setenv("DATABASE_URL", "postgresql://somebody:planted-secret@127.0.0.1:1/x")
    checks = checked()

    assert {"database", *check.NEEDS_CONNECTION} == set(failures(checks))
    assert checks.exit_code == 6
    assert "planted-secret" not in str(checks.to_json())


def test_schema_not_there(settings: pytest.MonkeyPatch, server_url: str) -> None:
    """A database that was never migrated needs that first."""
    settings.setenv("DATABASE_URL", server_url)
    checks = checked()

    assert ["schema", *check.NEEDS_SCHEMA] == list(failures(checks))
    assert "talkdesk-etl migrate" in failures(checks)["schema"]
    assert checks.exit_code == 6


def test_old_postgres(settings: pytest.MonkeyPatch) -> None:
    """A server that is too old is told so."""
    settings.setattr(check, "OLDEST_POSTGRES", 99)

    assert ["database version"] == list(failures(checked()))


def test_role_without_rights(settings: pytest.MonkeyPatch, database_url: str, server_url: str) -> None:
    """The message lists the GRANTs; given them, the role has all that a sync needs."""
    with role(server_url, database_url) as (name, url), psycopg.connect(database_url, autocommit=True) as owner:
        settings.setenv("DATABASE_URL", url)
        grants = failures(checked())["rights"].partition(": ")[2]
        owner.execute(grants.encode())

        assert f"GRANT USAGE ON SCHEMA talkdesk TO {name}; " in grants
        assert {} == failures(checked())


def test_settings_are_read_once(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret may come through a pipe."""
    pipe = tmp_path / "secret"
    os.mkfifo(pipe)
    settings.delenv("TALKDESK_CLIENT_SECRET")
    settings.setenv("TALKDESK_CLIENT_SECRET_FILE", str(pipe))
    threading.Thread(target=lambda: pipe.write_text("sandbox", encoding="utf-8"), daemon=True).start()

    assert {} == failures(checked())


@pytest.mark.usefixtures("settings")
def test_nothing_is_left(acme_everything: Callable[[], object]) -> None:
    """No row, no lock, no temporary table; and it may be done again."""
    before = acme_everything()

    assert [{}, {}] == [failures(checked()) for _ in range(2)]
    wait_until(lambda: before == acme_everything())  # a session ends a moment after it was closed


@pytest.fixture
def acme_everything(database_url: str) -> Callable[[], object]:
    """What is in the warehouse, locks included."""
    locks = b"""
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND datname = current_database()
    """
    temporary = b"SELECT count(*) FROM pg_class WHERE relpersistence = 't'"

    def look() -> object:
        with psycopg.connect(database_url) as connection:
            tables = [sql.Identifier(table.schema or "", table.name) for table in metadata.sorted_tables]
            rows = [connection.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall() for name in tables]
            return rows, *(connection.execute(each).fetchone() for each in (locks, temporary))

    return look


REFUSALS = {
    "ALTER TABLE talkdesk.imports ENABLE ROW LEVEL SECURITY": "row level security holds for imports",
    "ALTER TABLE talkdesk.import_records ENABLE ROW LEVEL SECURITY": "row level security holds for import_records",
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_current_xact_id_if_assigned() FROM PUBLIC": "lacks a right",
    "ALTER TABLE talkdesk.sync_runs ADD CHECK (account = 'nobody')": "SQLSTATE 23514",
}


@pytest.mark.parametrize(("refusal", "said"), REFUSALS.items())
def test_what_only_a_write_shows(
    settings: pytest.MonkeyPatch, database_url: str, server_url: str, refusal: str, said: str
) -> None:
    """A sync would fail there; and whoever reads it knows why."""
    with role(server_url, database_url) as (name, url), psycopg.connect(database_url, autocommit=True) as owner:
        grant_all(owner, name)
        owner.execute(refusal.encode())
        settings.setenv("DATABASE_URL", url)
        failed = failures(checked())

    assert ["writing"] == list(failed)
    assert said in failed["writing"]


def test_a_role_with_one_connection(settings: pytest.MonkeyPatch, database_url: str, server_url: str) -> None:
    """It is enough for a sync, and so for this."""
    with role(server_url, database_url) as (name, url), psycopg.connect(database_url, autocommit=True) as owner:
        grant_all(owner, name)
        owner.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(sql.Identifier(name)))
        settings.setenv("DATABASE_URL", url)

        assert {} == failures(checked())


def grant_all(owner: "psycopg.Connection[tuple[object, ...]]", name: str) -> None:
    """Afterwards the role lacks no right."""
    who, database = sql.Identifier(name), sql.Identifier(owner.info.dbname)
    owner.execute(sql.SQL("GRANT USAGE ON SCHEMA talkdesk TO {}").format(who))
    owner.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA talkdesk TO {}").format(who))
    owner.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, who))


@contextmanager
def role(server_url: str, database_url: str) -> Iterator[tuple[str, str]]:
    """A role that may log in and no more, and the URL with which it does."""
    name = f"loader_{uuid4().hex[:8]}"
    who, database = sql.Identifier(name), sql.Identifier(database_url.partition("?")[0].rpartition("/")[2])
    with psycopg.connect(server_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(who))
        owner.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        try:
            yield name, make_url(database_url).set(username=name).render_as_string(hide_password=False)
        finally:
            with psycopg.connect(database_url, autocommit=True) as there:
                there.execute(sql.SQL("DROP OWNED BY {}").format(who))
            owner.execute(sql.SQL("DROP ROLE {}").format(who))


@pytest.mark.usefixtures("settings")
def test_interrupted(sandbox: Sandbox) -> None:
    """A stop ends it, whatever the source does."""
    sandbox.faults.use("hang")
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()

    with pytest.raises(Interrupted):
        check_everything(stop=stop)


@pytest.mark.usefixtures("settings")
def test_json_keys() -> None:
    """The keys that the contract promises."""
    found = checked().to_json()

    assert {"warehouse", "ok", "items"} == set(found)
    assert {"what", "ok", "message"} == set(found["items"][0])


def test_users_are_tried_where_they_are_wanted(settings: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """And their scope is named where it is lacking."""
    settings.setenv("TALKDESK_USERS", "names")
    assert "acme: users" in {item.what for item in checked().items if item.ok}

    sandbox.faults.use("scope=bulk-imports:read case-fields-public:read")
    failed = failures(checked())
    assert {"acme: scopes", "acme: users"} == set(failed)
    assert all("users:read" in message for message in failed.values())
