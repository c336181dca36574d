"""`query`: any SQL that reads, none that writes, answers exact in every form."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from etl.commands import query
from etl.commands.placeholders import numbered, parse_parameters
from etl.errors import DatabaseError, UsageError
from etl.warehouse.connections import open_engine
from tests.commands.command import Command

COUNT = "SELECT (SELECT count(*) FROM talkdesk.imports), (SELECT count(*) FROM pg_largeobject_metadata)"


@pytest.fixture
def warehouse(worker_database_url: str) -> Iterator[Connection]:
    """A connection that nobody else rolls back."""
    with open_engine(worker_database_url).connect() as connection:
        yield connection


def answer(connection: Connection, sql: str, form: str = "json") -> str:
    out = io.StringIO()
    query.WRITERS[form](query.run_query(connection, sql), out)
    return out.getvalue()


def cells(connection: Connection, sql: str) -> list[Any]:
    """The values of the first row, as JSON says them."""
    rows = json.loads(answer(connection, sql), parse_float=Decimal)
    return list(rows[0].values())


def refusal(connection: Connection, sql: str) -> str:
    with pytest.raises(UsageError) as caught:
        list(query.run_query(connection, sql).rows)
    return str(caught.value)


# What is run


def test_the_schema_need_not_be_named(warehouse: Connection) -> None:
    """People ask for imports, not for talkdesk.imports."""
    assert [0] == cells(warehouse, "SELECT count(*) FROM imports")


def test_text_is_taken_as_it_is(warehouse: Connection) -> None:
    """Percent signs and colons are Postgres's business."""
    assert ["100%", "%s", ":name", "a%%"] == cells(warehouse, "SELECT '100%', '%s' AS b, ':name' AS c, 'a%%' AS d")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO imports (account, import_id) VALUES ('a', 'b')",
        "INSERT INTO imports (account, import_id) VALUES ('a', 'b') RETURNING *",
        "WITH x AS (INSERT INTO imports (account, import_id) VALUES ('a', 'b') RETURNING 1) SELECT * FROM x",
        "EXPLAIN ANALYZE INSERT INTO imports (account, import_id) VALUES ('a', 'b')",
        "DO $$ BEGIN COMMIT; INSERT INTO talkdesk.imports (account, import_id) VALUES ('a', 'b'); END $$",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET TRANSACTION READ WRITE",
        "COMMIT",
        "COMMIT AND CHAIN",
        "BEGIN",
        "SELECT 1; INSERT INTO imports (account, import_id) VALUES ('a', 'b')",
        "COMMIT; INSERT INTO imports (account, import_id) VALUES ('a', 'b')",
        "CREATE TABLE imports_2 (a int)",
        "CREATE TEMPORARY TABLE imports_2 AS SELECT 1",
        "SELECT 1 INTO imports_2",
        "SELECT * FROM imports FOR UPDATE",
        "LOCK TABLE imports",
        "COPY imports TO STDOUT",
        "COPY imports FROM STDIN",
        "PREPARE p AS SELECT 1",
        "LISTEN x",
        "VACUUM",
        "",
        ";",
        "-- nothing",
    ],
)
def test_what_does_not_read_is_refused(warehouse: Connection, sql: str) -> None:
    """Whatever it is called, it ends as wrong use and leaves nothing behind."""
    assert refusal(warehouse, sql)
    assert [0, 0] == cells(warehouse, COUNT)


def test_no_file_is_written(warehouse: Connection, tmp_path: Path) -> None:
    """A superuser's COPY to a program or file is no reading either."""
    tmp_path.chmod(0o777)
    for target in (f"PROGRAM 'touch {tmp_path}/written'", f"'{tmp_path}/written'"):
        refusal(warehouse, f"COPY (SELECT 1) TO {target}")

    assert not (tmp_path / "written").exists()


def test_what_a_function_writes_is_undone(warehouse: Connection) -> None:
    """Before version 16 a read-only transaction let large objects through; ours is rolled back anyhow."""
    try:
        list(query.run_query(warehouse, "SELECT lo_create(0)").rows)
    except UsageError as error:
        assert "read-only" in str(error)  # noqa: PT017 - which of the two depends on the version

    assert [0, 0] == cells(warehouse, COUNT)


# What is said


@pytest.mark.parametrize(
    ("expected", "sql"),
    [
        ('the SQL is wrong: syntax error at or near "SELEC" (SQLSTATE 42601), at line 1, column 1', "SELEC 1"),
        (
            'the SQL is wrong: relation "nothing" does not exist (SQLSTATE 42P01), at line 2, column 6',
            "SELECT *\nFROM nothing",
        ),
        ("the SQL has placeholders ($1): name them, as in :name, and give --param name=value", "SELECT $1::text"),
        ("the SQL holds a NUL character", "SELECT '\0'"),
        ("the SQL holds characters that the database cannot read", "SELECT '\ud800'"),
        ("the SQL failed: division by zero (SQLSTATE 22012)", "SELECT 1 / (n - n) FROM generate_series(1, 2) AS n"),
    ],
)
def test_errors_are_one_line(warehouse: Connection, expected: str, sql: str) -> None:
    """They name the place in the statement."""
    assert expected == refusal(warehouse, sql)


def test_an_error_is_the_server_s_own(warehouse: Connection) -> None:
    """Whoever asks may read what it quotes; no control character comes through."""
    said = refusal(warehouse, "SELECT ('Jane' || chr(27) || n)::int FROM generate_series(1, 2) AS n")

    assert 'the SQL failed: invalid input syntax for type integer: "Jane␛1" (SQLSTATE 22P02)' == said


def test_an_error_on_the_way(warehouse: Connection) -> None:
    """Rows that came before it were given out; one JSON object is then not begun."""
    sql = "SELECT 1 / (5000 - n) FROM generate_series(1, 9000) AS n"
    csv_out, object_out = io.StringIO(), io.StringIO()
    with pytest.raises(UsageError):
        query.write_csv(query.run_query(warehouse, sql), csv_out)
    with pytest.raises(UsageError):
        query.write_object(query.run_query(warehouse, sql), object_out)

    assert "?column?\r\n0\r\n" == csv_out.getvalue()[:13]
    assert not object_out.getvalue()


def test_a_lost_connection(database_url: str) -> None:
    """Is the database's fault."""
    with open_engine(database_url).connect() as connection:
        rows = query.run_query(
            connection, "SELECT pg_backend_pid(), repeat('x', 1000) FROM generate_series(1, 100000)"
        ).rows
        process = next(rows)[0]
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [process])
        with pytest.raises(DatabaseError, match="cannot be reached"):
            list(rows)


def test_the_connection_can_be_used_again(warehouse: Connection) -> None:
    """After an answer, an error, and an answer that nobody read to its end."""
    refusal(warehouse, "SELECT * FROM nothing")
    query.run_query(warehouse, "SELECT generate_series(1, 100000)")

    assert [1] == cells(warehouse, "SELECT 1")


# In which form


EVERYTHING = """
SELECT
    12345678901234567890.10::numeric AS exact,
    0.1::float8 AS float,
    'NaN'::float8 AS nan,
    9007199254740993 AS big,
    true AS yes,
    NULL AS nothing,
    'a "b", c' || chr(10) || 'd' AS text,
    '2024-03-01 12:00:00.5+02'::timestamptz AS instant,
    'infinity'::timestamptz AS ever,
    '12024-03-01'::date AS far,
    '1 day 02:00:00'::interval AS span,
    '{"k": [1.50, null]}'::jsonb AS cells,
    ARRAY['x', NULL] AS labels
"""


def test_json_is_exact(warehouse: Connection) -> None:
    """Every digit, JSON as JSON, instants in ISO 8601 UTC, and text for what JSON has no word for."""
    assert [
        Decimal("12345678901234567890.10"),
        Decimal("0.1"),
        "NaN",
        9007199254740993,
        True,
        None,
        'a "b", c\nd',
        "2024-03-01T10:00:00.5Z",
        "infinity",
        "12024-03-01",
        "1 day 02:00:00",
        {"k": [Decimal("1.50"), None]},
        ["x", None],
    ] == cells(warehouse, EVERYTHING)


def test_csv_is_rfc_4180(warehouse: Connection) -> None:
    """CRLF, quotes where needed, NULL empty, arrays and JSON as JSON."""
    text = answer(warehouse, EVERYTHING, "csv")
    header, row = csv.reader(io.StringIO(text, newline=""))

    assert ["exact", "float", "nan"] == header[:3]
    assert ["12345678901234567890.10", "0.1", "NaN", "9007199254740993", "true", "", 'a "b", c\nd'] == row[:7]
    assert ["2024-03-01T10:00:00.5Z", "infinity", "12024-03-01", "1 day 02:00:00"] == row[7:11]
    assert ['{"k": [1.50, null]}', '["x",null]'] == row[11:]
    assert text.endswith('"\r\n')


def test_one_object(warehouse: Connection) -> None:
    """With the columns' names, also of an answer without rows."""
    assert {"columns": ["a"], "rows": [{"a": 1}]} == json.loads(answer(warehouse, "SELECT 1 AS a", "object"))
    assert {"columns": ["a"], "rows": []} == json.loads(answer(warehouse, "SELECT 1 AS a WHERE false", "object"))


def test_equal_names_are_told_apart(warehouse: Connection) -> None:
    """An object has room for each name once."""
    rows = json.loads(answer(warehouse, "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a"))

    assert [{"a": 1, "a_2": 2, "a_2_2": 3, "a_3": 4}] == rows


def test_a_table_is_not_cut_where_nobody_looks(warehouse: Connection) -> None:
    """Plain text, as wide as need be, and no escape sequence of a cell reaches a terminal."""
    lines = answer(warehouse, "SELECT repeat('x', 300) AS long, E'\\x1b[31mred' AS \"[b]name\"", "table").splitlines()

    assert ["long", "[b]name"] == lines[0].split()
    assert [300 * "x", "␛[31mred"] == lines[1].split()
    assert "(1 row)" == lines[2]


def test_a_narrow_terminal_shows_row_by_row(warehouse: Connection) -> None:
    """Nothing is squeezed into columns of one letter."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    query.write_table(query.run_query(warehouse, "SELECT repeat('x', 70) AS a, repeat('y', 70) AS b"), out)

    assert "row 1" in out.getvalue()
    assert 70 * "x" in out.getvalue()


def test_a_long_answer_is_complete(warehouse: Connection) -> None:
    """Whatever is fetched at a time."""
    rows = json.loads(answer(warehouse, "SELECT generate_series(1, 2501) AS n"))
    table = answer(warehouse, "SELECT generate_series(1, 2501) AS n", "table")

    assert list(range(1, 2502)) == [row["n"] for row in rows]
    assert table.endswith("2501\n(2501 rows)\n")


def test_print_query(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From a URL to stdout."""
    query.print_query(database_url, "SELECT 1 AS a", "csv")

    assert "a\r\n1\r\n" == capsys.readouterr().out


def test_a_schema_that_was_never_migrated(server_url: str) -> None:
    """Is not the SQL's fault."""
    with pytest.raises(DatabaseError, match="never been migrated"):
        query.print_query(server_url, "SELECT 1", "csv")


# Values, and further forms


ODD = """
SELECT ':no', E'\\':no', ":no".a, $$ :no $$, $t$ :no $$ :no $t$, x::int, a[1:n], b[:n] -- :no
/* :no /* :no */ :no */ FROM ":no" WHERE c = :yes::int AND d = :also
"""


def test_a_placeholder_is_a_name_in_code() -> None:
    """Neither text, nor comment, cast or slice."""
    statement, bound = numbered(ODD, {"also": "2", "yes": "1"})

    assert ODD.replace(":yes", "$1").replace(":also", "$2") == statement
    assert ["1", "2"] == bound


@pytest.mark.parametrize(
    ("sql", "given", "said"),
    [
        ("SELECT :a, :b", ["a=1"], "give --param b=…"),
        ("SELECT :a", ["a=1", "c=2"], "has no placeholder :c"),
        ("SELECT $1, :a", ["a=1"], "has $1 beside --param"),
        ("SELECT :a", ["a"], "NAME=VALUE"),
        ("SELECT :a", ["a=1", "a=2"], "given twice"),
    ],
)
def test_names_have_partners(sql: str, given: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        numbered(sql, parse_parameters(given))


def test_values_are_bound(warehouse: Connection) -> None:
    """Whatever is in them; of the type that Postgres infers."""
    statement, bound = numbered(
        "SELECT :a AS a, 1 + :n AS n, '100%' AS p, :a", {"a": "'; DROP TABLE x; -- %s :n", "n": "41"}
    )
    out = io.StringIO()
    query.write_jsonl(query.run_query(warehouse, statement, bound), out)

    assert {"a": "'; DROP TABLE x; -- %s :n", "n": 42, "p": "100%"}.items() <= json.loads(out.getvalue()).items()


NULLS = "SELECT NULL AS a, '' AS b, E'x|y\n\t\"' AS c, '=1+1' AS d FROM generate_series(1, 2)"


def test_null_is_told_from_nothing(warehouse: Connection) -> None:
    """In every form that has a word for it; an empty text is in quotes, or nothing."""
    assert answer(warehouse, NULLS, "csv").startswith('a,b,c,d\r\n,"","x|y\n\t""",=1+1\r\n')
    assert answer(warehouse, NULLS, "tsv").startswith('a\tb\tc\td\r\n\t""\t"x|y\n\t"""\t=1+1\r\n')
    assert '| *NULL* |  | x\\|y<br>␉" | =1+1 |' == answer(warehouse, NULLS, "markdown").splitlines()[2]
    assert [None, ""] == list(json.loads(answer(warehouse, NULLS, "jsonl").splitlines()[1]).values())[:2]
    assert "NULL" in answer(warehouse, NULLS, "table")


def sheet(connection: Connection, sql: str) -> str:
    """The XML of the sheet."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw)
    query.write_xlsx(query.run_query(connection, sql), out)
    out.detach()
    return zipfile.ZipFile(raw).read("xl/worksheets/sheet1.xml").decode()


def test_a_workbook(warehouse: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas, instants and long numbers stay the texts they are; what a sheet cannot hold is refused."""
    found = sheet(warehouse, "SELECT '=1+1' AS a, 1.5, true, 12345678901234567890, now(), NULL, 'http://x'")

    assert "<f>" not in found
    assert "<t>=1+1</t>" in found
    assert "<t>12345678901234567890</t>" in found
    assert '<c r="B2"><v>1.5</v></c>' in found
    with pytest.raises(UsageError, match="32,767 characters"):
        sheet(warehouse, "SELECT repeat('x', 32768)")
    monkeypatch.setattr("etl.commands.sheet.ROWS", 10)
    with pytest.raises(UsageError, match="a sheet holds 10 rows"):
        sheet(warehouse, "SELECT generate_series(1, 10)")


def test_sql_from_anywhere(command: Command, tmp_path: Path) -> None:
    """A comment first, a file with a mark, stdin; one of them."""
    file = tmp_path / "q.sql"
    file.write_text("-- 100% :)\nSELECT :x::int + 1 AS n", encoding="utf-8-sig")
    asked = [sys.executable, "-m", "etl", "query", "-", "--format", "csv", "--bom"]
    piped = subprocess.run(
        asked, env=command.environment, input=b"/* c */ SELECT 1 AS n", capture_output=True, check=True
    )

    assert "n\n2\n" == command("query", "--file", str(file), "--param", "x=1", "--format", "csv").out
    assert "n\n1\n" == command("query", "--format", "csv", "--comment\nSELECT 1 AS n").out
    assert "n\n1\n" == command("query", "-- a comment\nSELECT 1 AS n", "--format=csv").out
    assert b"\xef\xbb\xbfn\r\n1\r\n" == piped.stdout
    for wrong in (("SELECT 1", "--file", str(file)), (), ("--file", "nothing"), ("SELECT 1", "--bom"), ("SELECT :x",)):
        assert 2 == command("query", *wrong).code
