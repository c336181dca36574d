"""Records and users that lose what tells who somebody is: when, by whom, and that they stay so."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0010"
down_revision = "0009"

SCHEMA = "talkdesk"
INSTANT = TIMESTAMP(timezone=True)


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"), comment=comment)


def _create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "erased_at",
            INSTANT,
            nullable=False,
            server_default=sa.func.clock_timestamp(),
            comment="Instant of the erasure.",
        ),
        sa.Column(
            "column_name",
            sa.Text,
            nullable=False,
            comment="Column of the records in which the values were sought; the values are kept nowhere.",
        ),
        _number("records", "Records that lost their cells."),
        _number("errors", "Errors that lost their texts."),
        _number("rejected", "Rejected items that are gone."),
        _number("users", "Users who lost what tells who they are."),
        sa.Column("erased_by", sa.Text, nullable=False, comment="The database role that ran it."),
        sa.PrimaryKeyConstraint("account", "erased_at", "column_name", name="erasures_pkey"),
        schema=SCHEMA,
        comment="Who erased how much of somebody's data, and when; never whose.",
    )


def upgrade() -> None:
    _create_erasures()
    aged = "Instant at which its records lost their cells by age (TALKDESK_RECORD_KEEP_DAYS); NULL = they did not."
    erased = "Instant at which the record lost its cells, for good; NULL = it did not."
    user = "Instant at which the user lost all that tells who it is, for good; NULL = did not."
    op.add_column("imports", sa.Column("records_aged_at", INSTANT, comment=aged), schema=SCHEMA)
    op.add_column("import_records", sa.Column("erased_at", INSTANT, comment=erased), schema=SCHEMA)
    op.add_column("users", sa.Column("erased_at", INSTANT, comment=user), schema=SCHEMA)
    op.create_index(
        "imports_unaged_idx",
        "imports",
        ["account", "created_at", "first_seen_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("records_loaded > 0 AND records_aged_at IS NULL"),
    )
    op.create_index(
        "import_records_erased_idx",
        "import_records",
        ["account", "import_id"],
        schema=SCHEMA,
        postgresql_include=["record_key"],
        postgresql_where=sa.text("erased_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("import_records_erased_idx", "import_records", schema=SCHEMA)
    op.drop_index("imports_unaged_idx", "imports", schema=SCHEMA)
    op.drop_column("users", "erased_at", schema=SCHEMA)
    op.drop_column("import_records", "erased_at", schema=SCHEMA)
    op.drop_column("imports", "records_aged_at", schema=SCHEMA)
    op.drop_table("erasures", schema=SCHEMA)
