"""`tables`: what the catalogs say, with true counts, also for people who mistype."""

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, text

from etl.commands import tables
from etl.errors import UsageError
from tests.account import Account
from tests.commands.command import Command

CATALOG = """
    SELECT c.relname, obj_description(c.oid, 'pg_class'), array_agg(
        ARRAY[
            a.attname::text, format_type(a.atttypid, a.atttypmod), (NOT a.attnotnull)::text,
            col_description(c.oid, a.attnum)
        ]
        ORDER BY a.attnum
    )
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'talkdesk'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'alembic_version'
    GROUP BY c.oid
"""


@pytest.mark.every_server
def test_the_catalog_is_the_source(synced: Account, command: Command) -> None:
    """Names, comments and rows of all; columns, types and comments of one."""
    listed = {each["name"]: each for each in command("tables", "--json").json["tables"]}
    with psycopg.connect(synced.url) as connection:
        catalog = connection.execute(CATALOG).fetchall()
        assert {name: comment for name, comment, _ in catalog} == {name: listed[name]["comment"] for name in listed}
        for name, each in listed.items():
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("talkdesk", name))
            assert (each["rows"], each["estimated"]) == (connection.execute(count).fetchone()[0], False)  # type: ignore[index]
    [columns] = [columns for name, _, columns in catalog if name == "imports"]
    one = command("tables", "talkdesk.imports", "--json").json

    assert listed["imports"] == {name: one[name] for name in listed["imports"]}
    assert columns == [
        [each["name"], each["type"], str(each["nullable"]).lower(), each["comment"]] for each in one["columns"]
    ]


def test_people_read_the_same(synced: Account, command: Command) -> None:
    """Not cut off where nobody looks; a function shows what it is asked with and what it returns."""
    lines = {line.split()[0]: line for line in command("tables").out.splitlines()}
    of_one = command("tables", "IMPORTS_AS_OF").out

    assert ["imports", "table", str(len(synced.world.imports()))] == lines["imports"].split()[:3]
    assert "imports_as_of(instant timestamp with time zone, account text" in of_one
    assert "\nvalid_from         timestamp with time zone  not null" in of_one


def test_a_name_that_is_not_there(command: Command) -> None:
    """Is wrong use, and the nearest one is named."""
    done = command("tables", "import_error")

    assert (2, "") == (done.code, done.out)
    assert "no table, view or function 'import_error': the nearest is import_errors" in done.err


def test_what_takes_long_to_count_is_estimated(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    """And is said to be."""
    connection.execute(text("CREATE VIEW talkdesk.long AS SELECT n FROM generate_series(1, 300) AS n, pg_sleep(9)"))
    overview = tables.read_tables(connection)
    found = {each.name: each for each in overview.relations}
    overview.print()
    said = capsys.readouterr().out

    assert (300, True) == (found["long"].rows, found["long"].is_estimate)
    assert not found["imports"].is_estimate
    assert " ~300" in said
    assert "~ the planner's estimate" in said


def test_what_a_function_returns(connection: Connection) -> None:
    """Also where it makes its own columns."""
    columns = tables.read_table(connection, "coverage_gaps_of").columns

    assert [("gap_from", "timestamp with time zone"), ("gap_to", "timestamp with time zone")] == [
        (each.name, each.type) for each in columns
    ]
    with pytest.raises(UsageError, match="`talkdesk-etl tables` lists all"):
        tables.read_table(connection, "zzz\x1b")
