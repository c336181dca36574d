"""What each account is bound to, by its next sync if it is stored already; under which privacy records were stored."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("api_url", sa.Text, nullable=False, comment="Address of the API that the account is read from."),
        sa.Column("token_url", sa.Text, nullable=False, comment="Address that grants the tokens."),
        sa.Column(
            "client_id",
            sa.Text,
            comment="OAuth client; NULL where token_url names the account, so that any client of it will do.",
        ),
        sa.Column(
            "bound_at",
            TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="Instant of the sync that bound the account to this.",
        ),
        sa.PrimaryKeyConstraint("account", name="accounts_pkey"),
        schema="talkdesk",
        comment="The source that each account is bound to; another one is refused until a sync accepts it.",
    )
    privacy = (
        "What was kept of their cells: keep or drop, and a keyed fingerprint of what was hashed; NULL = not known."
    )
    op.add_column("imports", sa.Column("records_privacy", sa.Text, comment=privacy), schema="talkdesk")
    op.create_index(
        "imports_records_privacy_idx",
        "imports",
        ["account", "records_privacy"],
        schema="talkdesk",
        postgresql_where=sa.text("records_loaded > 0"),
    )


def downgrade() -> None:
    op.drop_index("imports_records_privacy_idx", "imports", schema="talkdesk")
    op.drop_column("imports", "records_privacy", schema="talkdesk")
    op.drop_table("accounts", schema="talkdesk")
