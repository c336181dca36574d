"""Whoever may create things in `public` runs nothing as those who read the warehouse."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import ColumnElement, Connection, Text, func, literal, select, table, text

from etl.commands import query
from etl.warehouse import migrating, tables
from etl.warehouse.opening import read_only
from tests import postgres

TOMORROW = datetime(2100, 1, 1, tzinfo=UTC)
VIEWS = ("import_history", "import_errors", "import_daily", "case_field_paths", "sync_health", "coverage_gaps")
FUNCTIONS = ("imports_as_of", "case_fields_as_of", "case_field_entries_as_of")
TRAPS = Path(__file__).with_name("traps.sql").read_text(encoding="utf-8")
FILL = """
    INSERT INTO talkdesk.imports (account, import_id, status, created_at, total_records)
    VALUES ('acme', 'i1', 'COMPLETED', pg_catalog.now(), 3);
    INSERT INTO talkdesk.imports_versions (account, import_id, valid_from) VALUES ('acme', 'i1', '2024-01-01');
    INSERT INTO talkdesk.case_fields (account, field_key) VALUES ('acme', 'f');
    INSERT INTO talkdesk.case_fields_versions (account, field_key, valid_from) VALUES ('acme', 'f', '2024-01-01');
    INSERT INTO talkdesk.case_field_entries_versions
        (account, field_key, entry_id, key, path, parent_id, depth, valid_from)
    VALUES
        ('acme', 'f', 'e1', 'a', '{a}', NULL, 1, '2024-01-01'),
        ('acme', 'f', 'e2', 'b', '{a,b}', 'e1', 2, '2024-01-01');
    INSERT INTO talkdesk.sync_runs (account, run_id, started_at, outcome, options, version)
    SELECT 'acme', 'r' OPERATOR(pg_catalog.||) n, '2024-01-01', 'succeeded', '{}', '0' FROM generate_series(1, 3) AS n;
    INSERT INTO talkdesk.sync_run_resources (account, run_id, resource, complete)
    SELECT account, run_id, 'imports', true FROM talkdesk.sync_runs;
"""


@pytest.fixture
def trapped(connection: Connection) -> Connection:
    """A warehouse with something in it, in a session that would rather have what is in `public`."""
    connection.exec_driver_sql(FILL)
    connection.exec_driver_sql(TRAPS)
    connection.exec_driver_sql("SET LOCAL search_path = public, pg_catalog")
    return connection


@pytest.fixture
def empty_url(server: postgres.Server) -> Iterator[str]:
    """A database in which nothing was ever made."""
    name = sql.Identifier(f"empty_{uuid4().hex[:8]}")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres.at(server.url, name._obj[0])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_the_traps_are_sharp(trapped: Connection) -> None:
    """Otherwise the tests below would prove nothing."""
    with pytest.raises(Exception, match="trapped"):
        trapped.exec_driver_sql("SELECT now()")


@pytest.mark.parametrize("account", [(), (literal("acme", Text),)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_run_none_of_it(trapped: Connection, name: str, account: tuple[ColumnElement[str], ...]) -> None:
    """The one with the tree computes most, and finds parent and child."""
    function = getattr(func.talkdesk, name)(TOMORROW, *account)

    assert trapped.execute(select(text("*")).select_from(function)).all()


@pytest.mark.parametrize("name", VIEWS)
def test_views_run_none_of_it(trapped: Connection, name: str) -> None:
    """Each bound what it uses when it was made."""
    trapped.execute(select(text("*")).select_from(table(name, schema=tables.SCHEMA))).all()


def test_every_function_has_a_path_of_its_own(connection: Connection) -> None:
    """Temporary objects come last: types are looked up there first unless it is named."""
    found = connection.exec_driver_sql(
        "SELECT proname, proconfig FROM pg_catalog.pg_proc WHERE pronamespace = 'talkdesk'::regnamespace"
    ).all()

    assert set(FUNCTIONS) <= {name for name, _ in found}
    assert [] == [name for name, settings in found if "search_path=pg_catalog, pg_temp" not in (settings or ())]


def test_the_script_runs_none_of_it(empty_url: str) -> None:
    """In the hands of somebody whose search path begins with `public`; nor does what it made."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(TRAPS.encode())
        connection.execute("SET search_path = public, pg_catalog")
        connection.execute(migrating.migration_sql().encode())
        connection.execute(FILL.encode())
        for name in VIEWS:
            connection.execute(sql.SQL("SELECT * FROM talkdesk.{}").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    "question",
    [
        "SELECT now(), total_records || ' records', total_records - 1 FROM imports WHERE account = 'acme'",
        "SELECT * FROM imports_as_of('2100-01-01') WHERE account = 'acme' AND valid_from < now()",
    ],
)
def test_query_runs_none_of_it(database_url: str, question: str) -> None:
    """Not even where it fits better than Postgres's own, and whatever the role's own path is."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute(TRAPS.encode())
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(name))
    with read_only(database_url) as warehouse:
        assert list(query.run_query(warehouse, question).rows)
