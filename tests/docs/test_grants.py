"""The grants of the documents: enough for a reader and a loader, and no more."""

import re
from collections.abc import Iterator
from typing import LiteralString, NamedTuple
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from etl.commands import query
from etl.commands.status import read_status
from etl.commands.tables import read_tables
from etl.errors import EtlError
from etl.warehouse.opening import read_only
from tests.docs import pages

HOW_TO = pages.ROOT / "docs" / "how-to"
[GRANTS] = [block.text for block in pages.blocks(HOW_TO / "rights.md", "sql")]
QUESTIONS = [block.text for block in pages.blocks(HOW_TO / "ask-with-sql.md", "sql")]

EVERYTHING = (
    "SELECT * FROM import_history",
    "SELECT * FROM import_errors",
    "SELECT * FROM import_daily",
    "SELECT * FROM case_field_paths",
    "SELECT * FROM sync_health",
    "SELECT * FROM coverage_gaps",
    "SELECT * FROM imports_as_of(now())",
    "SELECT * FROM case_fields_as_of(now())",
    "SELECT * FROM case_field_entries_as_of(now(), 'sandbox')",
)
WITHHELD = """
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA talkdesk FROM PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
"""


class Roles(NamedTuple):
    """The warehouse as two strangers see it, to whom nothing was granted but what the page says."""

    loader: str
    reader: str


@pytest.fixture(scope="module")
def roles(synced_url: str) -> Iterator[Roles]:
    """Roles of their own in a house that withholds from everybody what it can."""
    tail = uuid4().hex[:8]
    with psycopg.connect(synced_url, autocommit=True) as owner:
        owner.execute(WITHHELD)
        owner.execute(re.sub(r"\btalkdesk_(loader|reader)\b", rf"talkdesk_\1_{tail}", GRANTS).encode())
        names = Roles(f"talkdesk_loader_{tail}", f"talkdesk_reader_{tail}")
        for name in names:
            owner.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD 'planted'").format(sql.Identifier(name)))
        yield Roles(*(url_of(synced_url, name) for name in names))
        for name in names:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def url_of(url: str, role: str) -> str:
    return make_url(url).set(username=role, password="planted").render_as_string(hide_password=False)


def ask(url: str, statement: str) -> list[tuple[query.Cell, ...]]:
    with read_only(url) as connection:
        return list(query.run_query(connection, statement).rows)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda text: text.split("FROM")[0][:40].strip())
def test_a_reader_gets_every_answer(roles: Roles, question: str) -> None:
    ask(roles.reader, question)


@pytest.mark.parametrize("statement", EVERYTHING)
def test_a_reader_sees_every_view_and_function(roles: Roles, statement: str) -> None:
    ask(roles.reader, statement)


def test_a_reader_asks_for_the_status(roles: Roles) -> None:
    with read_only(roles.reader) as connection:
        assert ["sandbox"] == list(read_status(connection).accounts)


def test_a_reader_finds_the_tables(roles: Roles) -> None:
    """Of all that is there he is told the rows, for he may read something of it."""
    with read_only(roles.reader) as connection:
        assert None not in {each["rows"] for each in read_tables(connection).to_json()["tables"]}


def test_a_reader_counts_what_was_rejected(roles: Roles) -> None:
    """All of it but the items, which may be anybody's data."""
    assert [(0,)] == ask(roles.reader, "SELECT count(reason) FROM rejected_items")
    with pytest.raises(EtlError, match=r"permission denied for table rejected_items \(SQLSTATE 42501\)"):
        ask(roles.reader, "SELECT item FROM rejected_items")


def test_a_reader_writes_nothing(roles: Roles) -> None:
    with psycopg.connect(roles.reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM talkdesk.imports")


@pytest.mark.parametrize(
    ("add", "read", "drop"),
    [
        (
            "CREATE TABLE talkdesk.later AS SELECT 1 AS one",
            "SELECT * FROM talkdesk.later",
            "DROP TABLE talkdesk.later",
        ),
        (
            "CREATE FUNCTION talkdesk.later() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "SELECT talkdesk.later()",
            "DROP FUNCTION talkdesk.later()",
        ),
    ],
)
def test_later_versions_are_handed_on(
    synced_url: str, roles: Roles, add: LiteralString, read: LiteralString, drop: LiteralString
) -> None:
    """What the migrating role adds is readable without another grant."""
    with psycopg.connect(synced_url, autocommit=True) as owner:
        owner.execute(add)
        try:
            assert [(1,)] == ask(roles.reader, read)
        finally:
            owner.execute(drop)
