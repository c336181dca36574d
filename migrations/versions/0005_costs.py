"""Questions cost what they answer: indexes, views that use them, and a table for what old runs leave behind."""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0005"
down_revision = "0004"

SCHEMA = "talkdesk"
FOLDER = Path(__file__).with_suffix("")
BEFORE = FOLDER.with_name("0002_views")
VIEWS = ("import_history", "sync_health", "coverage_gaps")
INDEXES = (
    ("sync_run_resources", "sample"),
    ("sync_run_resources", "incomplete"),
    ("sync_run_resources", "complete"),
    ("sync_runs", "sample"),
    ("sync_runs", "duration"),
    ("sync_runs", "running"),
    ("sync_runs", "started_at"),
    ("rejected_items", "standing"),
    ("case_field_entries", "current"),
    ("imports", "unloaded"),
    ("imports", "created_at"),
    ("imports", "account_created_at"),
)
COLUMNS_OF_THEN = """
        account, import_id, filename, type, status, total_records, completed_records, failed_records, created_by,
        created_at, updated_by, updated_at, canceled_by, canceled_at, extra, first_seen_at, last_changed_at,
        records_loaded_at, expired_at,
"""
STATUS = "QUEUED, IN_PROGRESS, COMPLETED, SUCCESSFUL, COMPLETED_WITH_ERRORS, CANCELED, FAILED, ..."
IN_THE_SAMPLE = "(hashtext(run_id) & 15) = 0"


def _statements(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").rstrip().removesuffix(";").split(";\n\n")


def _execute(folder: Path, *names: str) -> None:
    for name in names:
        for statement in _statements(folder / f"{name}.sql"):
            op.execute(statement)


def _create_coverage_folded() -> None:
    op.create_table(
        "coverage_folded",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "listed_at",
            TIMESTAMP(timezone=True),
            nullable=False,
            comment="Start of a run that read the whole list of imports.",
        ),
        sa.Column("run_id", sa.Text, nullable=False, comment="That run."),
        sa.Column(
            "next_listed_at",
            TIMESTAMP(timezone=True),
            comment="End of the next such run; NULL = still in the ledger, with what came after.",
        ),
        sa.PrimaryKeyConstraint("account", "listed_at", "run_id", name="coverage_folded_pkey"),
        schema=SCHEMA,
        comment="What coverage_gaps needs of runs that have left: where a day or more passed between listings.",
    )


def _index(table: str, name: str, *columns: str, where: str | None = None, include: tuple[str, ...] = ()) -> None:
    expressions = [sa.text(column) if column.startswith("(") else column for column in columns]
    op.create_index(
        f"{table}_{name}_idx",
        table,
        expressions,
        schema=SCHEMA,
        postgresql_where=None if where is None else sa.text(where),
        postgresql_include=include,
    )


def _create_indexes() -> None:
    _index("imports", "account_created_at", "account", "created_at", include=("records_loaded",))
    _index("imports", "created_at", "created_at")
    unloaded = "expired_at IS NULL AND records_loaded_at IS NULL"
    _index("imports", "unloaded", "account", "created_at", "first_seen_at", where=unloaded)
    _index("case_field_entries", "current", "account", where="removed_at IS NULL")
    _index("rejected_items", "standing", "account", "resource", "last_seen_at")
    ends = ("finished_at", "outcome", "window_from", "window_to")
    _index("sync_runs", "started_at", "account", "started_at", "run_id", include=ends)
    _index("sync_runs", "running", "account", where="outcome = 'running'")
    _index("sync_runs", "duration", "account", "(finished_at - started_at)")
    whole = f"window_from IS NULL AND window_to IS NULL AND {IN_THE_SAMPLE}"
    _index("sync_runs", "sample", "account", "started_at", "run_id", where=whole)
    _index("sync_run_resources", "complete", "account", "resource", "run_id", where="complete", include=("seconds",))
    _index("sync_run_resources", "incomplete", "account", "resource", "run_id", where="NOT complete")
    listings = f"resource = 'imports' AND complete AND {IN_THE_SAMPLE}"
    _index("sync_run_resources", "sample", "account", "run_id", where=listings)


def _explain_status_in_ascii() -> None:
    """0001 said it with a character that not every encoding has."""
    for table in ("imports", "imports_versions"):
        op.alter_column(table, "status", schema=SCHEMA, comment=STATUS)


def upgrade() -> None:
    _create_coverage_folded()
    _explain_status_in_ascii()
    _create_indexes()
    # The new one begins in the same way; all this is one transaction, in which nothing is done concurrently.
    op.execute(
        "-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX talkdesk.sync_runs_account_started_at_idx"
    )
    _execute(FOLDER, "coverage_gaps_of", "newest_reads", *VIEWS)


def _restore_views() -> None:
    """The view of then names no columns; one that took in a column of later would hold on to it."""
    for name in VIEWS:
        for statement in _statements(BEFORE / f"{name}.sql"):
            op.execute(statement.replace("        imports.*,", COLUMNS_OF_THEN))


def downgrade() -> None:
    op.execute("DROP VIEW talkdesk.coverage_gaps")
    op.execute("DROP VIEW talkdesk.sync_health")
    op.execute("DROP VIEW talkdesk.import_history")
    op.execute("DROP FUNCTION talkdesk.newest_reads(text, text[])")
    op.execute("DROP FUNCTION talkdesk.coverage_gaps_of(text)")
    _restore_views()
    op.create_index("sync_runs_account_started_at_idx", "sync_runs", ["account", "started_at"], schema=SCHEMA)
    for table, name in INDEXES:
        op.drop_index(f"{table}_{name}_idx", table, schema=SCHEMA)
    op.drop_table("coverage_folded", schema=SCHEMA)
