"""States of Alembic's table that nobody expects: one line that leads out, and not back to where it came from."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from etl.errors import DatabaseError
from etl.warehouse.migrating import migrate
from etl.warehouse.opening import read_only
from etl.warehouse.tables import REVISION
from tests import postgres

STATES = {
    "DELETE FROM talkdesk.alembic_version": "is empty",
    "INSERT INTO talkdesk.alembic_version VALUES ('0001')": "has 2 rows",
    "INSERT INTO talkdesk.alembic_version VALUES ('unknown')": "has 2 rows",
    "UPDATE talkdesk.alembic_version SET version_num = ''": "names no revision",
    "UPDATE talkdesk.alembic_version SET version_num = E'9\\x1b[31m'": "does not know: install the newer",
    "DROP TABLE talkdesk.alembic_version": "is not there",
    "ALTER TABLE talkdesk.alembic_version RENAME version_num TO version": "is not Alembic's table",
    "DROP TABLE talkdesk.import_records CASCADE": "lacks import_records",
}


@pytest.fixture
def empty_url(server: postgres.Server) -> Iterator[str]:
    """A database in which nothing was ever made."""
    with postgres.clone(server) as url:
        change(url, "DROP SCHEMA talkdesk CASCADE")
        yield url


def change(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize(("state", "said"), STATES.items())
def test_a_state_that_nobody_expects(database_url: str, state: str, said: str) -> None:
    """Reading and migrating say the same, and none of them says to migrate; nothing is changed by it."""
    change(database_url, state)
    for attempt in (lambda: read_only(database_url).__enter__(), lambda: migrate(database_url)):
        with pytest.raises(DatabaseError) as caught:
            attempt()
        message = str(caught.value)

        assert said in message
        assert "talkdesk-etl migrate" not in message
        assert message.isprintable()


@pytest.mark.parametrize("state", list(STATES)[:4])
def test_the_way_out(database_url: str, state: str) -> None:
    """Who does as is told, gets out: the rows are deleted, and the revision is put back."""
    change(database_url, state)
    change(database_url, "DELETE FROM talkdesk.alembic_version")
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO talkdesk.alembic_version VALUES (%s)", (REVISION,))

    assert (REVISION, REVISION) == migrate(database_url)


@pytest.mark.parametrize(
    "state",
    [
        "CREATE SCHEMA talkdesk",
        "CREATE SCHEMA talkdesk; CREATE TABLE talkdesk.alembic_version (version_num varchar(32) PRIMARY KEY)",
        "CREATE TABLE public.alembic_version (version_num) AS VALUES ('another')",
    ],
)
def test_what_is_no_obstacle(empty_url: str, state: str) -> None:
    """A schema that somebody has made, an empty table of Alembic's in it, another Alembic elsewhere: migrate does."""
    change(empty_url, state)
    with pytest.raises(DatabaseError, match="never been migrated: run `talkdesk-etl migrate`"):
        read_only(empty_url).__enter__()

    assert (None, REVISION) == migrate(empty_url)


def test_tables_of_somebody_else(empty_url: str) -> None:
    """They are left alone."""
    change(empty_url, "CREATE SCHEMA talkdesk; CREATE TABLE talkdesk.imports (id integer)")
    with pytest.raises(DatabaseError, match="is not there, but tables of its schema are"):
        migrate(empty_url)


def test_no_right_to_read_it(database_url: str) -> None:
    """The line is the GRANT."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        name = sql.Identifier(f"reader_{database_url.partition('?')[0][-8:]}")
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA talkdesk TO {}").format(name))
        try:
            url = database_url.replace("//talkdesk@", f"//{name.as_string(None).strip(chr(34))}@")
            with pytest.raises(DatabaseError, match=r"GRANT SELECT ON .*, talkdesk\.alembic_version, .* TO reader_"):
                read_only(url).__enter__()
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))
