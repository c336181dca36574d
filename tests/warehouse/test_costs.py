"""Questions cost what they answer, not what is stored: at most a tenth of the pages of the tables concerned."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from etl.commands.status import read_status
from etl.warehouse import ledger
from etl.warehouse.connections import open_engine
from etl.warehouse.ledger import RunKey
from tests import postgres

# One group: the great house is built once, by one of the workers.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("great house")]

FILL = Path(__file__).with_name("great_house.sql").read_text(encoding="utf-8")
INDEXES = """
    SELECT i.indexdef
    FROM pg_catalog.pg_indexes AS i
    WHERE i.schemaname = 'talkdesk' AND i.tablename IN ('sync_runs', 'sync_run_resources')
        AND i.indexname NOT LIKE '%pkey'
"""
SHARE = 0.1
RECORDS = ("import_records",)
LEDGER = ("sync_runs", "sync_run_resources")
OF_IMPORTS = {
    "the newest of one account": """
        SELECT * FROM talkdesk.import_history WHERE account = 'acme' ORDER BY created_at DESC LIMIT 20
    """,
    "the newest of all": "SELECT * FROM talkdesk.import_history ORDER BY created_at DESC, import_id LIMIT 20",
    "one import": "SELECT * FROM talkdesk.import_history WHERE account = 'acme' AND import_id = 'i100'",
    "one import by its id": "SELECT * FROM talkdesk.import_history WHERE import_id = 'i100'",
    "a week of one account": """
        SELECT * FROM talkdesk.import_history WHERE account = 'acme' AND created_at >= now() - interval '7 days'
    """,
    "a week of all": "SELECT * FROM talkdesk.import_history WHERE created_at >= now() - interval '7 days'",
    "errors of one import": "SELECT * FROM talkdesk.import_errors WHERE account = 'acme' AND import_id = 'i100'",
    "errors of one file": """
        SELECT * FROM talkdesk.import_errors WHERE account = 'acme' AND filename = 'users-100.csv'
    """,
    "how many are here": "SELECT * FROM talkdesk.sync_health WHERE account = 'acme'",
}
OF_RUNS = {
    "the health of all": "SELECT * FROM talkdesk.sync_health",
    "how fresh all are": "SELECT * FROM talkdesk.freshness",
    "the health of one account": "SELECT * FROM talkdesk.sync_health WHERE account = 'account 09'",
    "an account without a gap": "SELECT * FROM talkdesk.coverage_gaps WHERE account = 'account 01'",
    "an account that did not run for a while": "SELECT * FROM talkdesk.coverage_gaps WHERE account = 'account 02'",
    "an account that failed for a while": "SELECT * FROM talkdesk.coverage_gaps WHERE account = 'account 03'",
    "an account that runs no more": "SELECT * FROM talkdesk.coverage_gaps WHERE account = 'account 06'",
    "all gaps": "SELECT * FROM talkdesk.coverage_gaps",
}


@pytest.fixture(scope="session")
def great_house(server: postgres.Server) -> Iterator[str]:
    """The URL of a large warehouse, which is only read; indexes that are made at the end take a third of the time."""
    with postgres.clone(server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            # VACUUM calls no page visible whose rows' commit may not have been written yet.
            connection.execute("SET synchronous_commit = on")
            indexes = [definition for (definition,) in connection.execute(INDEXES)]
            for definition in indexes:
                name = definition.split(" ON ")[0].split()[-1]
                connection.execute(f"DROP INDEX talkdesk.{name}".encode())
            connection.execute(FILL.encode())
            for definition in indexes:
                connection.execute(definition.encode())
            connection.execute("VACUUM (ANALYZE)")
        yield url


@pytest.fixture
def warehouse(great_house: str) -> Iterator[Connection]:
    """A connection as the product opens it."""
    with open_engine(great_house).connect() as connection:
        yield connection


def pages_of(connection: Connection, *names: str) -> int:
    """Pages of the tables, without their indexes."""
    size = text(
        "SELECT sum(pg_relation_size(relid)) / 8192 FROM pg_catalog.pg_statio_user_tables WHERE relname = ANY(:names)"
    )
    return int(connection.execute(size, {"names": list(names)}).scalar_one())


def pages_read(connection: Connection, question: str) -> int:
    """Pages that the question read, from memory or not, indexes and catalogue included."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {question}"
    explained = connection.execute(text(explain)).scalar_one()
    plan = explained[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def pages_so_far(connection: Connection, *names: str) -> int:
    """Pages of these tables and their indexes that anybody has read."""
    connection.rollback()
    connection.execute(text("SELECT pg_stat_force_next_flush()"))
    connection.rollback()
    read = text("""
        SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)
        FROM pg_catalog.pg_statio_user_tables
        WHERE relname = ANY(:names)
    """)
    return int(connection.execute(read, {"names": list(names)}).scalar_one())


def test_what_one_import_did_is_asked_of_its_own_records(warehouse: Connection) -> None:
    """And of the users whom they name, whatever else is stored."""
    mine = "WHERE account = 'acme' AND import_id = 'i100'"
    question = f"SELECT * FROM talkdesk.import_user_changes {mine}"  # noqa: S608
    own = pages_read(warehouse, f"SELECT data FROM talkdesk.import_records {mine}")  # noqa: S608

    assert [("name", "User 1/2", "User 1/1")] == [tuple(row[6:9]) for row in warehouse.execute(text(question))]
    assert pages_read(warehouse, question) < own + 100


@pytest.mark.parametrize("name", OF_IMPORTS)
def test_questions_about_imports(warehouse: Connection, name: str) -> None:
    """Few imports cost few pages, however many records there are."""
    assert warehouse.execute(text(OF_IMPORTS[name])).all()
    assert pages_read(warehouse, OF_IMPORTS[name]) < SHARE * pages_of(warehouse, *RECORDS)


@pytest.mark.parametrize("name", OF_RUNS)
def test_questions_about_runs(warehouse: Connection, name: str) -> None:
    """What the newest runs tell is not looked for in all of them; gaps are few, and what lies between is not read."""
    warehouse.execute(text(OF_RUNS[name]))

    assert pages_read(warehouse, OF_RUNS[name]) < SHARE * pages_of(warehouse, *LEDGER)


@pytest.mark.parametrize("names", [RECORDS, LEDGER])
def test_status_as_a_whole(warehouse: Connection, names: tuple[str, ...]) -> None:
    """All accounts, and all gaps there ever were."""
    before = pages_so_far(warehouse, *names)
    status = read_status(warehouse)
    read = pages_so_far(warehouse, *names) - before

    assert 22 == len(status.accounts)
    assert ["account 02", "account 03", "account 04", "account 05", "account 06"] == [
        name for name, account in status.accounts.items() if account.gaps
    ]
    assert read < SHARE * pages_of(warehouse, *names)


def test_a_run_on_record(warehouse: Connection) -> None:
    """A run that begins looks for what died, for the last listing, and for what is old: in few pages."""
    before = pages_so_far(warehouse, *LEDGER)
    warehouse.exec_driver_sql("SET LOCAL enable_nestloop = off")
    run = RunKey("new", "account 09")
    assert ledger.seconds_since_listing(warehouse, run.account)
    assert not ledger.start_run(warehouse, run, window=None, options={})
    ledger.fold_runs(warehouse, run.account, timedelta(days=800))
    read = pages_so_far(warehouse, *LEDGER) - before

    assert read < SHARE * pages_of(warehouse, *LEDGER) / 20


GAPS = """
    SELECT account, started_at, next_ended_at - interval '480 hours'
    FROM (
        SELECT
            r.account, r.started_at,
            coalesce(
                lead(r.finished_at) OVER (PARTITION BY r.account ORDER BY r.started_at), CAST(:now AS timestamptz)
            ) AS next_ended_at
        FROM talkdesk.sync_runs AS r
        JOIN talkdesk.sync_run_resources AS s USING (account, run_id)
        WHERE s.resource = 'imports' AND s.complete
    ) AS pairs
    WHERE next_ended_at - interval '480 hours' > started_at
    ORDER BY account, started_at
"""


def test_no_gap_is_overlooked(warehouse: Connection) -> None:
    """The same as when every listing is compared with the next."""
    found = warehouse.execute(text("SELECT * FROM talkdesk.coverage_gaps ORDER BY 1, 2")).all()
    expected = warehouse.execute(text(GAPS), {"now": warehouse.scalar(text("SELECT now()"))}).all()

    assert expected == found


FAILED = """
    UPDATE talkdesk.sync_run_resources AS s
    SET complete = false
    FROM talkdesk.sync_runs AS r
    WHERE r.account = s.account AND r.run_id = s.run_id
        AND r.account = 'account 09' AND r.started_at > now() - interval '22 days'
"""


def test_an_account_that_has_failed_for_long(great_house: str) -> None:
    """Its last good run is searched for, and costs little still."""
    with open_engine(great_house).connect() as connection:
        connection.execute(text(FAILED))
        [age] = connection.execute(
            text("SELECT DISTINCT age FROM talkdesk.sync_health WHERE account = 'account 09'")
        ).one()
        read = pages_read(connection, OF_RUNS["the health of one account"])
        connection.rollback()

        assert 22 == age.days
        assert read < SHARE * pages_of(connection, *LEDGER)
