"""A private PostgreSQL with stock settings, and databases on it that are made for one measurement."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from etl.warehouse import embedded
from tests.bench.processes import cpu_seconds_of_server

Error = psycopg.Error


@contextmanager
def private_server() -> Iterator["Server"]:
    """Inside, a server of our own runs, its data on disk and nothing set for speed."""
    folder = Path(tempfile.mkdtemp(prefix="talkdesk-etl-bench-"))
    folder.chmod(0o711)  # root's server runs as somebody else
    try:
        yield Server(embedded.start(folder / "home"))
    finally:
        from tests import postgres  # noqa: PLC0415 - SQLAlchemy in our memory would count in a child's peak

        postgres.remove(folder)


class Server:
    """The server that is measured with."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def version(self) -> str:
        """The server's version."""
        return f"PostgreSQL {value(self.url, 'SHOW server_version')}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Inside, a copy of the template is there; its URL is given."""
        name = f"bench_{uuid4().hex[:12]}"
        try:
            yield self.make(name, template)
        finally:
            self.drop(name)

    def make(self, name: str, template: str = "template0") -> str:
        """The URL of a new database; it is copied as files, past the WAL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        with connected(self.url) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop(self, name: str) -> None:
        """Afterwards the database is gone, whoever was connected."""
        with connected(self.url) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


class WalMark:
    """Where the WAL ended after a checkpoint: from here on, full-page images count.

    A role that may order no checkpoint measures without one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with suppress(psycopg.errors.InsufficientPrivilege):
            execute(url, "CHECKPOINT")
        self._lsn = value(url, "SELECT pg_current_wal_lsn()")

    def bytes_since(self) -> int:
        """Bytes written since then."""
        with connected(self._url) as connection:
            statement = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)::bigint AS bytes"
            (written,) = connection.execute(statement, [self._lsn]).fetchone() or (0,)
        return int(written)


def connected(url: str) -> psycopg.Connection[Any]:
    """A connection on which every statement commits."""
    return psycopg.connect(url, autocommit=True)


def execute(url: str, *statements: LiteralString) -> None:
    """Afterwards the statements are done."""
    with connected(url) as connection:
        for statement in statements:
            connection.execute(statement)


def server_cpu_seconds(url: str) -> float | None:
    """CPU seconds of the whole server so far; None where nobody tells."""
    with connected(url) as connection:
        return cpu_seconds_of_server(connection.info.backend_pid)


def vacuum(url: str) -> None:
    """Afterwards the planner knows the tables and autovacuum has nothing to do, the statistics' own table included."""
    execute(url, "ANALYZE", "VACUUM")


def row(url: str, statement: LiteralString) -> dict[str, Any]:
    """The one row that the statement gives, by column."""
    with connected(url) as connection:
        return connection.cursor(row_factory=dict_row).execute(statement).fetchone() or {}


def value(url: str, statement: LiteralString) -> Any:
    """The one value that the statement gives."""
    return next(iter(row(url, statement).values()))


def fill(url: str, *, records: int) -> None:
    """Afterwards the account holds so many records of other imports, 1,000 each."""
    with connected(url) as connection:
        connection.execute(_FILL, [records])
    vacuum(url)


def fill_page(url: str, *, imports: int) -> None:
    """Afterwards there are so many imports of forty people, each with errors, and four times as many options."""
    with connected(url) as connection:
        for statement in _FILL_PAGE:
            connection.execute(statement, {"imports": imports, "options": 4 * imports})
    vacuum(url)


_FILL_PAGE: tuple[LiteralString, ...] = (
    """
    INSERT INTO talkdesk.imports
        (account, import_id, filename, type, status, total_records, completed_records, failed_records, created_at,
        updated_at, created_by, records_loaded, records_loaded_at, records_source)
    SELECT
        'bench', md5(n::text), 'agents-of-some-department-' || n || '.csv',
        (ARRAY['CREATE_USERS', 'UPDATE_USERS', 'DELETE_USERS'])[n %% 3 + 1], 'COMPLETED_WITH_ERRORS', 12, 2, 10,
        now() - n * interval '8 minutes', now() - n * interval '8 minutes' + n %% 300 * interval '1 second',
        'somebody ' || n %% 40, 12, now(), 'records'
    FROM generate_series(1, %(imports)s::integer) AS n
    """,
    """
    INSERT INTO talkdesk.import_records (account, import_id, record_key, line, position, status, data)
    SELECT
        i.account, i.import_id, 'line:' || n, n, n, CASE WHEN n < 10 THEN 'FAILED' ELSE 'COMPLETED' END,
        jsonb_build_object('Email', 'person.' || n || '@example.com', 'Full Name', 'A Person Of Some Length')
    FROM talkdesk.imports AS i, generate_series(0, 11) AS n
    """,
    """
    INSERT INTO talkdesk.import_record_errors (account, import_id, record_key, error_no, code, message, field)
    SELECT account, import_id, record_key, 0, 'email_taken', 'Email is already in use', 'Email'
    FROM talkdesk.import_records WHERE status = 'FAILED'
    """,
    """
    INSERT INTO talkdesk.case_fields (account, field_key, name)
    SELECT 'bench', 'dependent_field' || n, 'Field ' || n FROM generate_series(1, 20) AS n
    """,
    """
    INSERT INTO talkdesk.case_field_entries
        (account, field_key, entry_id, key, label, path, labels, depth, position, is_leaf)
    SELECT
        'bench', 'dependent_field' || (n %% 20 + 1), 'e' || n, lpad(n::text, 6, '0'),
        'An option with a label of usual length ' || n, ARRAY[lpad(n::text, 6, '0')], ARRAY['x'], 1, n, true
    FROM generate_series(1, %(options)s::integer) AS n
    """,
)

_FILL = """
    INSERT INTO talkdesk.import_records (account, import_id, record_key, record_id, line, position, status, data)
    SELECT 'bench',
           left(md5((n / 1000)::text), 24),
           'id:' || md5(n::text),
           md5(n::text),
           mod(n, 1000) + 1,
           mod(n, 1000),
           'STORED',
           jsonb_build_object(
               'email', 'person.' || n || '@example.com',
               'name', 'A Person Of Some Length',
               'role', 'agent',
               'extension', (mod(n, 10000))::text,
               'ring_groups', jsonb_build_array('sales', 'support'),
               'created_at', '2024-03-01T00:00:00.000Z',
               'updated_at', '2024-03-01T00:10:00.000Z'
           )
    FROM generate_series(0, %s - 1) AS n
"""
