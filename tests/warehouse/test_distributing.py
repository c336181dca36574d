"""A warehouse on Citus, as far as it can be tried without one: what is asked of it, and what becomes of its errors."""

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.errors import DatabaseError, UsageError
from etl.warehouse.connections import open_engine
from etl.warehouse.distributing import HEALTH, Cluster, cluster, distribute
from etl.warehouse.migrating import migrations_folder
from etl.warehouse.settings import BATCHES
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import SCHEMA, metadata
from tests.account import Account

LEDGER = {"sync_runs", "sync_run_resources", "coverage_folded"}
OURS = sorted(f"{SCHEMA}.{table.name}" for table in metadata.sorted_tables if table.name not in LEDGER)
TOLD = """
    SELECT 'talkdesk.' || relname AS name, partmethod, partkey, beside
    FROM pg_dist_partition INNER JOIN pg_class ON oid = logicalrelid
    ORDER BY 1
"""
CATALOG = Path(__file__).with_name("citus_catalog.sql").read_text()


@pytest.fixture
def coordinator(acme: Account) -> Account:
    """The account, whose database has the catalog of a coordinator with two workers."""
    acme.command(CATALOG)
    return acme


def test_every_table_but_the_ledger_is_distributed_by_account_beside_the_first(coordinator: Account) -> None:
    assert OURS == distribute(coordinator.url, is_asked=True)
    first, *others = coordinator.rows(TOLD)
    assert {"name": OURS[0], "partmethod": "h", "partkey": "account", "beside": "none"} == first
    assert [{**first, "name": name, "beside": OURS[0]} for name in OURS[1:]] == others
    assert OURS == coordinator.column(
        "SELECT 'talkdesk.' || relname FROM truncated JOIN pg_class ON oid = name ORDER BY 1"
    )


def test_what_a_migration_adds_is_distributed_beside_the_others_unasked(coordinator: Account) -> None:
    distribute(coordinator.url, is_asked=True)
    coordinator.change("DELETE FROM pg_dist_partition WHERE logicalrelid = 'talkdesk.rejected_items'::regclass")
    assert ["talkdesk.rejected_items"] == distribute(coordinator.url, is_asked=False)
    assert [OURS[0]] == coordinator.column("SELECT beside FROM pg_dist_partition WHERE logicalrelid::text ~ 'rejected'")
    assert [] == distribute(coordinator.url, is_asked=True)


def test_the_coordinator_asks_its_ledger_itself(coordinator: Account) -> None:
    """On the workers there is none; on plain Postgres a question for one account reads what it needs."""
    defined = "SELECT pg_get_viewdef('talkdesk.sync_health'::regclass)"
    asked = "SELECT account, resource, rows, rejected FROM talkdesk.sync_health ORDER BY resource"
    before = coordinator.value(defined)
    assert {"synced", "accounts", "reads", "retention"} == {*re.findall(r"(\w+) AS NOT MATERIALIZED", before)}
    coordinator.sync()
    health = coordinator.rows(asked)
    distribute(coordinator.url, is_asked=True)

    assert before.replace("AS NOT MATERIALIZED", "AS MATERIALIZED") == coordinator.value(defined)
    assert health == coordinator.rows(asked)
    assert "RECURSIVE" not in before
    newest = max(path for path in (migrations_folder() / "versions").glob("*/sync_health.sql"))
    assert migrations_folder() / HEALTH == newest


def test_nothing_is_distributed_unless_somebody_asks(coordinator: Account) -> None:
    assert [] == distribute(coordinator.url, is_asked=False)
    assert [] == coordinator.rows(TOLD)


def test_plain_postgres_cannot_distribute_and_says_what_is_missing(acme: Account) -> None:
    assert [] == distribute(acme.url, is_asked=False)
    with pytest.raises(UsageError, match="CREATE EXTENSION citus"):
        distribute(acme.url, is_asked=True)


def test_the_servers_that_hold_rows_are_counted(coordinator: Account) -> None:
    with open_engine(coordinator.url, read_only=True).connect() as connection:
        assert Cluster(workers=2, is_distributed=False) == cluster(connection)
    distribute(coordinator.url, is_asked=True)
    with open_engine(coordinator.url, read_only=True).connect() as connection:
        found = cluster(connection)
    assert found is not None
    assert "Citus, 2 servers hold rows; the warehouse is distributed" == found.in_words()


def test_the_contract_of_a_session_is_said_in_the_words_that_a_coordinator_passes_on(coordinator: Account) -> None:
    """SET LOCAL reaches the workers, set_config does not; and of a transaction with options of its own they stand."""
    engine = open_engine(coordinator.url).execution_options(also=BATCHES)
    with engine.connect() as connection, connection.begin():
        passed = connection.scalar(text("SELECT current_setting('citus.propagate_set_commands', true)"))
        loops = connection.scalar(text("SHOW enable_nestloop"))
    assert ("local", "off") == (passed, loops)


def test_a_worker_that_is_down_ends_no_connection(acme: Account) -> None:
    """The coordinator says so with the code of a lost connection; its own is as good as before."""
    engine = open_engine(acme.url)
    lost = "DO $$ BEGIN RAISE EXCEPTION 'connection to the remote node 10.0.0.7 failed' USING ERRCODE = '08006'; END $$"
    with engine.connect() as connection:
        with pytest.raises(DatabaseError, match="one of its own servers") as caught, translated():
            connection.exec_driver_sql(lost)
        assert "10.0.0.7" not in str(caught.value)
        connection.rollback()
        assert 1 == connection.scalar(text("SELECT 1"))


def test_an_account_whose_worker_is_down_fails_alone(acme: Account) -> None:
    """Only what concerns its shard fails; the run is closed, and nothing waits for a database that is there."""
    acme.command(
        "CREATE FUNCTION public.down() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '08006'; END $$"
    )
    acme.command("CREATE TRIGGER t BEFORE INSERT ON talkdesk.imports FOR EACH ROW EXECUTE FUNCTION public.down()")
    outcome = acme.sync()
    assert "partial" == outcome.accounts[0].ledger_outcome
    assert ["imports"] == [failure.resource for failure in outcome.accounts[0].failures]
    assert [("partial",)] == [tuple(row.values()) for row in acme.rows("SELECT outcome FROM talkdesk.sync_runs")]
