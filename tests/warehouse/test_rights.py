"""What a role lacks: the statements can be pasted as they are said, and are enough, also for what is added later."""

import re
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from etl.commands.check import require_rights
from etl.commands.status import read_status
from etl.errors import DatabaseError
from etl.warehouse import migrating
from etl.warehouse.connections import open_engine
from etl.warehouse.opening import read_only
from etl.warehouse.tables import REVISION


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """A role that may log in and no more, and whose name has to be quoted."""
    name = f'Load"er-{uuid4().hex[:8]}'
    command(database_url, "CREATE ROLE {0} LOGIN", name)
    yield name
    command(database_url, "DROP OWNED BY {0}", name)
    command(database_url, "DROP ROLE {0}", name)


def command(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


def paste(url: str, said: object) -> str:
    """What follows the words, run by the owner."""
    lines = re.split("the role lacks (?:a right|rights): ", str(said))[1]
    assert lines.startswith("GRANT ")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(lines.encode())
    return lines


def test_to_sync(database_url: str, role: str) -> None:
    """One paste, and a table of the next version is not forgotten."""
    with open_engine(as_role(database_url, role)).connect() as connection:
        with pytest.raises(DatabaseError) as caught:
            require_rights(connection)
        connection.rollback()
        lines = paste(database_url, caught.value)
        command(database_url, "CREATE TABLE talkdesk.later (one integer)")

        assert require_rights(connection)
        connection.execute(text("INSERT INTO talkdesk.later VALUES (1)"))
    assert "GRANT DELETE, INSERT, SELECT, UPDATE ON talkdesk.coverage_folded, " in lines
    assert ' TO "Load""er-' in lines


def test_to_read(database_url: str, role: str) -> None:
    """A reader is given what a reader needs, and no item that was rejected."""
    url = as_role(database_url, role)
    with pytest.raises(DatabaseError) as caught, read_only(url) as connection:
        read_status(connection)
    lines = paste(database_url, caught.value)
    command(database_url, "CREATE TABLE talkdesk.later (one integer)")

    with read_only(url) as connection:
        assert read_status(connection).accounts == {}
        connection.execute(text("SELECT reason FROM talkdesk.rejected_items, talkdesk.later"))
        with pytest.raises(Exception, match="permission denied for table rejected_items"):
            connection.execute(text("SELECT item FROM talkdesk.rejected_items"))
    assert "INSERT" not in lines


def test_to_migrate_what_another_role_made(database_url: str, role: str) -> None:
    """It says what it met, and who may."""
    owner = f"owner_{uuid4().hex[:8]}"
    command(database_url, "CREATE ROLE {0}; GRANT {0} TO CURRENT_USER", owner)
    command(database_url, "GRANT CREATE ON DATABASE {} TO {}", str(make_url(database_url).database), owner)
    command(database_url, "DROP SCHEMA talkdesk CASCADE")
    command(database_url, "CREATE SCHEMA talkdesk AUTHORIZATION {0}", owner)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
        connection.execute(migrating.migration_sql().encode())
        connection.execute("UPDATE talkdesk.alembic_version SET version_num = '0004'")
    try:
        with pytest.raises(DatabaseError, match=rf"^the role lacks a right: GRANT {owner} TO "):
            migrating.migrate(as_role(database_url, role))
        command(database_url, "GRANT USAGE ON SCHEMA talkdesk TO {}", role)
        command(database_url, "GRANT SELECT ON talkdesk.alembic_version TO {}", role)
        with pytest.raises(
            DatabaseError, match=r"^the migration met: permission denied for schema talkdesk; "
        ) as caught:
            migrating.migrate(as_role(database_url, role))
        lines = paste(database_url, caught.value)
    finally:
        command(database_url, "REASSIGN OWNED BY {0} TO CURRENT_USER; DROP OWNED BY {0}; DROP ROLE {0}", owner)

    assert lines.startswith(f"GRANT {owner} TO ")


def test_to_migrate_for_the_first_time(database_url: str, role: str) -> None:
    """It needs one right."""
    command(database_url, "DROP SCHEMA talkdesk CASCADE")
    url = as_role(database_url, role)
    with pytest.raises(DatabaseError, match="permission denied for database") as caught:
        migrating.migrate(url)
    paste(database_url, caught.value)

    assert (None, REVISION) == migrating.migrate(url)


def test_what_a_migration_met(database_url: str) -> None:
    """It names what stands in the way."""
    command(database_url, "UPDATE talkdesk.alembic_version SET version_num = '0004'")
    with pytest.raises(DatabaseError, match=r'^the migration met: relation "coverage_folded" already exists; '):
        migrating.migrate(database_url)
