"""How fresh each resource is, told by the ledger alone."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"

FOLDER = Path(__file__).with_suffix("")


def upgrade() -> None:
    for statement in (FOLDER / "freshness.sql").read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP VIEW talkdesk.freshness")
