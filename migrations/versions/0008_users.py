"""The account's users with their history, the names that they give to imports, and what imports did to them."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0008"
down_revision = "0007"

SCHEMA = "talkdesk"
INSTANT = TIMESTAMP(timezone=True)
COLUMNS_OF_THEN = """
        account, import_id, filename, type, status, total_records, completed_records, failed_records, created_by,
        created_at, updated_by, updated_at, canceled_by, canceled_at, extra, first_seen_at, last_changed_at,
        records_loaded_at, expired_at, records_loaded,"""
FOLDER = Path(__file__).with_suffix("")
VERSIONS = FOLDER.parent


def _statements(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n")


def _execute(folder: Path, *names: str) -> None:
    for name in names:
        for statement in _statements(folder / f"{name}.sql"):
            op.execute(statement)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "user_id",
            sa.Text,
            nullable=False,
            comment="Id of the user at the source; imports name it in created_by, updated_by and canceled_by.",
        ),
        sa.Column("name", sa.Text, comment="Name of the user. Personal data."),
        sa.Column("email", sa.Text, comment="E-mail address; NULL where only names are kept. Personal data."),
        sa.Column("active", sa.Boolean, comment="False if deactivated at the source."),
        sa.Column("gender", sa.Text, comment="As the source says; NULL where only names are kept. Personal data."),
        sa.Column("extension", sa.Text, comment="Internal extension; NULL where only names are kept. Personal data."),
        sa.Column(
            "external_phone_number", sa.Text, comment="Phone number; NULL where only names are kept. Personal data."
        ),
        sa.Column("created_at", INSTANT, comment="Instant of creation at the source; NULL where only names are kept."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
    ]


def _create_users() -> None:
    op.create_table(
        "users",
        *_columns(),
        sa.Column(
            "first_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="Instant (our clock) at which this row was first written.",
        ),
        sa.Column(
            "last_changed_at",
            INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="Instant (our clock) at which this row last changed.",
        ),
        sa.Column(
            "removed_at",
            INSTANT,
            comment="Instant at which the user was found missing from a complete answer; NULL = there.",
        ),
        sa.PrimaryKeyConstraint("account", "user_id", name="users_pkey"),
        schema=SCHEMA,
        comment="Users of the account, as last seen; empty unless TALKDESK_USERS asks for them. Personal data.",
    )


def _create_users_versions() -> None:
    op.create_table(
        "users_versions",
        *_columns(),
        sa.Column(
            "valid_from",
            INSTANT,
            nullable=False,
            comment="Instant (the database's clock) from which this state was known, inclusive.",
        ),
        sa.Column("valid_to", INSTANT, comment="Instant up to which this state was known, exclusive; NULL = now."),
        sa.PrimaryKeyConstraint("account", "user_id", "valid_from", name="users_versions_pkey"),
        schema=SCHEMA,
        comment="Every state of a user ever seen. Personal data.",
    )
    op.create_index(
        "users_versions_current_idx",
        "users_versions",
        ["account", "user_id"],
        schema=SCHEMA,
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "users_versions_valid_idx",
        "users_versions",
        [sa.text("tstzrange(valid_from, valid_to)")],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_index(
        "users_versions_email_idx", "users_versions", ["account", sa.text("lower(btrim(email))")], schema=SCHEMA
    )
    op.create_index("users_versions_account_valid_from_idx", "users_versions", ["account", "valid_from"], schema=SCHEMA)


def upgrade() -> None:
    _create_users()
    _create_users_versions()
    read = (
        "Instant at which the users were first read whole after the import was over: what changed of them later is "
        "not its doing; NULL = not yet, or they were not read before it either."
    )
    op.add_column("imports", sa.Column("users_read_at", INSTANT, comment=read), schema=SCHEMA)
    op.create_index(
        "imports_users_unread_idx",
        "imports",
        ["account", "first_seen_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("users_read_at IS NULL"),
    )
    for table in ("sync_run_resources", "rejected_items"):
        words = "imports, import_records, case_fields, case_field_entries or users."
        op.alter_column(table, "resource", comment=words, schema=SCHEMA)
    _execute(FOLDER, "resources_of", "sync_health", "users_as_of", "import_history", "import_errors")
    _execute(FOLDER, "import_user_changes")


def _restore_views() -> None:
    """Only now, for a view of then that took in a column of later would hold on to it."""
    _execute(VERSIONS / "0002_views", "import_errors", "import_history")
    for statement in _statements(VERSIONS / "0005_costs" / "import_history.sql"):
        op.execute(statement.replace("        imports.*,", COLUMNS_OF_THEN))
    _execute(VERSIONS / "0007_parts", "sync_health")
    function = next(_statements(VERSIONS / "0007_parts" / "resources_of.sql"))
    op.execute(function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))


def downgrade() -> None:
    for view in ("import_user_changes", "import_errors", "import_history"):
        op.execute(f"DROP VIEW talkdesk.{view}")
    op.execute("DROP FUNCTION talkdesk.users_as_of(timestamptz, text)")
    op.drop_index("imports_users_unread_idx", "imports", schema=SCHEMA)
    op.drop_column("imports", "users_read_at", schema=SCHEMA)
    _restore_views()
    op.drop_table("users_versions", schema=SCHEMA)
    op.drop_table("users", schema=SCHEMA)
    for table in ("sync_run_resources", "rejected_items"):
        words = "imports, import_records, case_fields or case_field_entries."
        op.alter_column(table, "resource", comment=words, schema=SCHEMA)
    op.execute("DELETE FROM talkdesk.sync_run_resources WHERE resource = 'users'")
    op.execute("DELETE FROM talkdesk.rejected_items WHERE resource = 'users'")
