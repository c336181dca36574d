"""The views and functions. Each has a file of its own in 0002_views: the statement, then its comments."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

FOLDER = Path(__file__).with_suffix("")


def _statements() -> Iterator[str]:
    for file in sorted(FOLDER.glob("*.sql")):
        yield from file.read_text(encoding="utf-8").split(";\n\n")


def upgrade() -> None:
    for statement in _statements():
        op.execute(statement.rstrip().removesuffix(";"))


def downgrade() -> None:
    op.execute("DROP FUNCTION talkdesk.case_field_entries_as_of(timestamptz)")
    op.execute("DROP FUNCTION talkdesk.case_fields_as_of(timestamptz)")
    op.execute("DROP FUNCTION talkdesk.imports_as_of(timestamptz)")
    op.execute("DROP VIEW talkdesk.sync_health")
    op.execute("DROP VIEW talkdesk.coverage_gaps")
    op.execute("DROP VIEW talkdesk.case_field_paths")
    op.execute("DROP VIEW talkdesk.import_daily")
    op.execute("DROP VIEW talkdesk.import_errors")
    op.execute("DROP VIEW talkdesk.import_history")
