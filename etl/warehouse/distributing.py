"""The warehouse over several servers: Citus distributes every table by account; what a run notes of itself stays."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from etl.errors import UsageError
from etl.warehouse.connections import open_engine
from etl.warehouse.migrating import migrations_folder
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import LEDGER, metadata

HEALTH = "versions/0012_history/sync_health.sql"
"""Where the view stands as the newest migration makes it."""

NO_CITUS = (
    "--citus: this database has no Citus: on the coordinator, CREATE EXTENSION citus in it, and add the workers with "
    "SELECT citus_add_node('host', 5432)"
)


class Cluster(NamedTuple):
    """How many servers hold rows, and whether the warehouse's do."""

    workers: int
    is_distributed: bool

    def in_words(self) -> str:
        """Return it as people say it."""
        servers = "1 server holds" if self.workers == 1 else f"{self.workers} servers hold"
        return f"Citus, {servers} rows; the warehouse is {'' if self.is_distributed else 'not '}distributed"


def distribute(url: str, *, is_asked: bool) -> list[str]:
    """Distribute by account, beside each other, those tables that are not yet; says which.

    Unless that is asked for, only what a migration has added to a warehouse that is distributed.
    """
    with translated(), open_engine(url, application_name="talkdesk-etl migrate").connect() as connection:
        found = cluster(connection)
        connection.rollback()
        if found is None and is_asked:
            raise UsageError(NO_CITUS)
        if found is None or not (is_asked or found.is_distributed):
            return []
        with connection.begin():
            done = _distribute(connection)
            _keep_ledger_here(connection)
        with connection.begin():  # the rows on the workers are the ones that are read; nobody would erase the others
            for name in done:
                connection.execute(select(func.truncate_local_data_after_distributing_table(name)))
    return done


def _distribute(connection: Connection) -> list[str]:
    names = [f"{table.schema}.{table.name}" for table in metadata.sorted_tables if table.name not in LEDGER]
    todo = connection.execute(statement("to_distribute"), {"names": names}).all()
    for table in todo:
        beside = table.beside or ("none" if table is todo[0] else todo[0].name)
        connection.execute(select(func.create_distributed_table(table.name, "account", "hash", beside)))
    return [table.name for table in todo]


def _keep_ledger_here(connection: Connection) -> None:
    """Have the view that reads the ledger beside distributed tables read it by itself: the workers have none.

    Left to inline it, a coordinator sends the questions for the ledger along to the workers, or refuses.
    """
    view = (migrations_folder() / HEALTH).read_text(encoding="utf-8").partition(";\n")[0]
    connection.exec_driver_sql(view.replace("AS NOT MATERIALIZED (", "AS MATERIALIZED ("))


def cluster(connection: Connection) -> Cluster | None:
    """Return the Citus cluster that the database is the coordinator of; None on plain Postgres."""
    if not connection.scalar(statement("citus")):
        return None
    return Cluster(*connection.execute(statement("citus_workers")).one())
