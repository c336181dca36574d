"""The migrations: one head, up and down and up again, and exactly the tables that the code declares."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, text

from etl.warehouse import connections, migrating, tables
from tests import postgres

CATALOG = Path(__file__).with_name("catalog.sql").read_text(encoding="utf-8")
GOLDEN = Path(__file__).parents[1] / "golden" / "schema.txt"
IMPORT = "INSERT INTO talkdesk.imports (account, import_id) VALUES (%s, %s)"
RECORDS = """
    INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)
    SELECT %s, %s, n, n, '{}' FROM generate_series(1, %s) AS n
"""
COUNTS = "SELECT account, import_id, records_loaded FROM talkdesk.imports ORDER BY account, import_id"
FILES = sorted((migrating.migrations_folder() / "versions").glob("*/*.sql"))


def catalog(url: str) -> str:
    """All that the schema holds, comments included."""
    with psycopg.connect(url, options="-c search_path=", client_encoding="UTF8") as connection:
        return "".join(f"{line}\n" for (line,) in connection.execute(CATALOG.encode()))


def turn(url: str, direction: Any, revision: str) -> None:
    with connections.open_engine(url).connect() as connection:
        config = migrating._alembic()
        config.attributes["connection"] = connection
        direction(config, revision)
        connection.commit()


def rows(url: str, query: LiteralString) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def differences(connection: Connection) -> list[Any]:
    """Where the database is not what the code declares."""
    options = {
        "include_schemas": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == tables.SCHEMA,
        "compare_server_default": True,
        "version_table_schema": tables.SCHEMA,
    }
    connection.dialect.default_schema_name = None  # a role that is called like the schema has it for its own
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)
    return found


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database in which nothing was ever migrated."""
    name = sql.Identifier(f"talkdesk_etl_empty_{uuid4().hex[:8]}")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres.at(server_url, name._obj[0])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_one_head() -> None:
    """The code asks for the revision that the migrations end with."""
    assert [tables.REVISION] == ScriptDirectory.from_config(migrating._alembic()).get_heads()


def test_up_down_up(database_url: str) -> None:
    """What goes up comes down, and is the same when it goes up again."""
    before = catalog(database_url)
    turn(database_url, command.downgrade, "base")
    below = catalog(database_url)
    turn(database_url, command.upgrade, "head")

    assert not below
    assert before == catalog(database_url)


def test_one_step_back(database_url: str) -> None:
    """The newest revision can be undone alone."""
    before = catalog(database_url)
    turn(database_url, command.downgrade, "-1")
    turn(database_url, command.upgrade, "+1")

    assert before == catalog(database_url)


def test_records_are_counted_on_the_way(database_url: str) -> None:
    """Each import gets the number of its own rows; going down takes the number alone."""
    turn(database_url, command.downgrade, "0002")
    with psycopg.connect(database_url) as connection:
        for account, import_id, count in (("acme", "i1", 3), ("acme", "i2", 0), ("zenith", "i1", 1)):
            connection.execute(IMPORT, [account, import_id])
            connection.execute(RECORDS, [account, import_id, count])
    turn(database_url, command.upgrade, "0003")

    assert [("acme", "i1", 3), ("acme", "i2", 0), ("zenith", "i1", 1)] == rows(database_url, COUNTS)

    turn(database_url, command.downgrade, "0002")

    assert [(4,)] == rows(database_url, "SELECT count(*) FROM talkdesk.import_records")
    assert [(3,)] == rows(database_url, "SELECT count(*) FROM talkdesk.imports")


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert (tables.REVISION, tables.REVISION) == migrating.migrate(database_url)


def test_the_script_makes_the_same(empty_url: str, database_url: str) -> None:
    """`migrate --sql`, run by somebody with the right to, ends where `migrate` ends."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(migrating.migration_sql().encode())

    assert catalog(database_url) == catalog(empty_url)
    assert (tables.REVISION, tables.REVISION) == migrating.migrate(empty_url)


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "KOI8R", "EUC_JP", "SQL_ASCII"])
def test_every_encoding_will_do(server: postgres.Server, encoding: str) -> None:
    """All that has the characters of ASCII: the schema needs no others."""
    with postgres.encoded(server, encoding) as url:
        assert (None, tables.REVISION) == migrating.migrate(url)
        assert GOLDEN.read_text(encoding="ascii") == catalog(url)

    assert migrating.migration_sql().isascii()


def test_a_comment_of_then_is_corrected(database_url: str) -> None:
    """A database that was migrated before the comments were in ASCII says the same as a new one."""
    turn(database_url, command.downgrade, "0004")
    with psycopg.connect(database_url) as connection:
        connection.execute("COMMENT ON COLUMN talkdesk.imports.status IS '…'")
        connection.execute("COMMENT ON COLUMN talkdesk.imports_versions.status IS '…'")
    turn(database_url, command.upgrade, "head")

    assert GOLDEN.read_text(encoding="utf-8") == catalog(database_url)


def test_no_drift(connection: Connection) -> None:
    """Tables, columns, types, defaults, indexes and comments are as declared."""
    assert [] == differences(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "COMMENT ON COLUMN talkdesk.imports.status IS 'something else'",
        "ALTER TABLE talkdesk.imports ADD COLUMN more text",
        "ALTER TABLE talkdesk.imports ALTER COLUMN extra DROP DEFAULT",
        "DROP INDEX talkdesk.sync_runs_started_at_idx",
    ],
)
def test_drift_is_seen(connection: Connection, statement: str) -> None:
    """Otherwise the test above would prove nothing."""
    connection.execute(text(statement))

    assert 1 == len(differences(connection))


def test_everything_is_explained(database_url: str) -> None:
    """Every table, view, column and function carries a comment."""
    lines = [line for line in catalog(database_url).splitlines() if not line.startswith("    CREATE ")]
    explained = [line for line in lines if " -- " in line]

    assert [] == [line for line in explained if line.endswith(" -- ")]
    assert all(": PRIMARY KEY (account" in line for line in lines if line not in explained)


def test_the_schema_is_the_one_agreed_on(database_url: str) -> None:
    """A change of the schema shows in review: UPDATE_GOLDEN=1 writes it down."""
    found = catalog(database_url)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8") == found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_hold_what_drivers_leave_alone(file: Path) -> None:
    """No percent sign and no :name, which would be taken for parameters; first the thing, then its comments."""
    content = file.read_text(encoding="utf-8")
    first, *comments = content.rstrip().split(";\n\n")

    assert "%" not in content
    assert [] == list(text(content)._bindparams)
    assert f"talkdesk.{file.stem}" in first
    assert all(comment.startswith("COMMENT ON ") for comment in comments)


def test_where_records_came_from_is_carried(database_url: str) -> None:
    """Until 0009 there was nowhere else to have them from; an import without any has no source."""
    turn(database_url, command.downgrade, "0008")
    with psycopg.connect(database_url) as connection:
        connection.execute(IMPORT, ["acme", "i1"])
        connection.execute("UPDATE talkdesk.imports SET records_loaded = 3")
        connection.execute(IMPORT, ["acme", "i2"])
    turn(database_url, command.upgrade, "0009")

    asked = "SELECT import_id, records_source FROM talkdesk.imports ORDER BY 1"
    assert [("i1", "records"), ("i2", None)] == rows(database_url, asked)
