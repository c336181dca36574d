"""How Alembic runs: in one transaction, behind one lock, in the schema of the tables."""

from alembic import context
from sqlalchemy import Connection, text

from etl.warehouse.tables import SCHEMA, metadata

# Lock waits are short because a waiting DDL statement blocks every reader behind it.
# The setting for Citus is accepted and ignored by plain Postgres.
# Whoever runs the script has a search path of his own, and views keep the functions that they were made with.
RAILS = (
    "SET LOCAL search_path = pg_catalog, pg_temp",
    "SET LOCAL lock_timeout = '10s'",
    "SET LOCAL statement_timeout = '30min'",
    "SET LOCAL citus.multi_shard_modify_mode = 'sequential'",
    f"SELECT pg_advisory_xact_lock(hashtextextended('{SCHEMA} migrations', 0))",
)
CREATE = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"


def configure(connection: Connection | None = None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
        compare_server_default=True,
        literal_binds=connection is None,
    )


def run(connection: Connection | None) -> None:
    if connection is not None:
        prepare(connection)
    configure(connection)
    with context.begin_transaction():
        if connection is None:
            for statement in RAILS if context.get_starting_revision_argument() else (*RAILS, CREATE):
                context.execute(statement)
        context.run_migrations()


def prepare(connection: Connection) -> None:
    """Whoever comes second waits before it looks for anything: even IF NOT EXISTS fails where two are at it."""
    for statement in RAILS:
        connection.execute(text(statement))
    if not has_schema(connection):
        connection.execute(text(CREATE))


def has_schema(connection: Connection) -> bool:
    found = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name")
    return connection.execute(found, {"name": SCHEMA}).scalar() is not None


run(context.config.attributes.get("connection"))
