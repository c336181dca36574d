"""The source that each account is bound to; an account that is stored already is bound by its next sync."""

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


def downgrade() -> None:
    op.drop_table("accounts", schema="talkdesk")
