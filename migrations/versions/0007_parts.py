"""What the views say of an account keeps to what it has at all, as its newest run was told by the settings."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

FOLDER = Path(__file__).with_suffix("")
BEFORE = FOLDER.with_name("0005_costs")
VIEWS = ("sync_health", "coverage_gaps")


def _statements(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n")


def _execute(folder: Path, *names: str) -> None:
    for name in names:
        for statement in _statements(folder / f"{name}.sql"):
            op.execute(statement)


def upgrade() -> None:
    _execute(FOLDER, "resources_of", *VIEWS)


def downgrade() -> None:
    _execute(BEFORE, *VIEWS)
    op.execute("DROP FUNCTION talkdesk.resources_of(text)")
