"""The functions that show the past take an account, and run nothing but what Postgres itself brings."""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

FOLDER = Path(__file__).with_suffix("")
BEFORE = FOLDER.with_name("0002_views")
FUNCTIONS = ("imports_as_of", "case_fields_as_of", "case_field_entries_as_of")


def _statements(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n")


def _execute(folder: Path, *names: str) -> None:
    for name in names:
        for statement in _statements(folder / f"{name}.sql"):
            op.execute(statement)


def upgrade() -> None:
    # Calls with an instant alone find the functions that follow.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION talkdesk.case_field_entries_as_of(timestamptz)")
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION talkdesk.case_fields_as_of(timestamptz)")
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION talkdesk.imports_as_of(timestamptz)")
    _execute(FOLDER, "case_field_entry_as_of", *FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP FUNCTION talkdesk.case_field_entries_as_of(timestamptz, text)")
    op.execute("DROP FUNCTION talkdesk.case_fields_as_of(timestamptz, text)")
    op.execute("DROP FUNCTION talkdesk.imports_as_of(timestamptz, text)")
    op.execute("DROP TYPE talkdesk.case_field_entry_as_of")
    _execute(BEFORE, *FUNCTIONS)
