"""The view of imports tells where their records came from; that of the sync's health has its periods by themselves."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"

FOLDER = Path(__file__).with_suffix("")
VERSIONS = FOLDER.parent


def _statements(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n")


def upgrade() -> None:
    for name in ("import_history", "synced_accounts", "sync_health"):
        for statement in _statements(FOLDER / f"{name}.sql"):
            op.execute(statement)


def downgrade() -> None:
    op.execute(next(_statements(VERSIONS / "0008_users" / "sync_health.sql")))
    op.execute("DROP FUNCTION talkdesk.synced_accounts()")
    op.execute("DROP VIEW talkdesk.import_history")
    for statement in _statements(VERSIONS / "0008_users" / "import_history.sql"):
        op.execute(statement)
    for folder in ("0002_views", "0005_costs"):
        for statement in _statements(VERSIONS / folder / "import_history.sql"):
            if statement.startswith("COMMENT"):
                op.execute(statement)
