"""The tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "0001"
down_revision = None

SCHEMA = "talkdesk"
INSTANT = TIMESTAMP(timezone=True)
TEXTS = ARRAY(sa.Text)


def _create_imports() -> None:
    op.create_table(
        "imports",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("import_id", sa.Text, nullable=False, comment="Id of the bulk import at the source."),
        sa.Column("filename", sa.Text, comment="Name of the submitted CSV file."),
        sa.Column(
            "type",
            sa.Text,
            comment="CREATE_USERS, UPDATE_USERS, DELETE_USERS, EXPORT_USERS, or a newer word of the source.",
        ),
        sa.Column(
            "status",
            sa.Text,
            comment="QUEUED, IN_PROGRESS, COMPLETED, SUCCESSFUL, COMPLETED_WITH_ERRORS, CANCELED, FAILED, ...",
        ),
        sa.Column("total_records", sa.BigInteger, comment="Lines of the file, as the source counts them."),
        sa.Column("completed_records", sa.BigInteger, comment="Records that succeeded so far."),
        sa.Column("failed_records", sa.BigInteger, comment="Records that failed so far."),
        sa.Column("created_by", sa.Text, comment="Id of the user who submitted the import."),
        sa.Column("created_at", INSTANT, comment="Instant of submission."),
        sa.Column("updated_by", sa.Text, comment="Id of the user or system that last changed the import."),
        sa.Column("updated_at", INSTANT, comment="Instant of the last change at the source."),
        sa.Column("canceled_by", sa.Text, comment="Id of the user or system that cancelled the import."),
        sa.Column("canceled_at", INSTANT, comment="Instant of the cancellation."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "first_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row was first written.",
        ),
        sa.Column(
            "last_changed_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row last changed.",
        ),
        sa.Column(
            "records_loaded_at",
            INSTANT,
            comment="Instant at which all records of the finished import were in; NULL = not yet.",
        ),
        sa.Column(
            "expired_at",
            INSTANT,
            comment="Instant at which the source was found to have forgotten the import; the row stays.",
        ),
        sa.PrimaryKeyConstraint("account", "import_id", name="imports_pkey"),
        schema=SCHEMA,
        comment="Bulk user imports, one row each, as last seen.",
    )


def _create_import_records() -> None:
    op.create_table(
        "import_records",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("import_id", sa.Text, nullable=False, comment="The import that the record belongs to."),
        sa.Column(
            "record_key",
            sa.Text,
            nullable=False,
            comment="id:<record id>, else line:<line>, else position:<position>, whichever is there and free.",
        ),
        sa.Column("record_id", sa.Text, comment="Id of the record at the source."),
        sa.Column("line", sa.BigInteger, comment="Line of the CSV file, as the source says."),
        sa.Column("position", sa.BigInteger, nullable=False, comment="Order of arrival, from 0."),
        sa.Column("status", sa.Text, comment="Status of the record, in the source's word."),
        sa.Column("data", JSONB, nullable=False, comment="Everything else of the record: the cells. Personal data."),
        sa.Column(
            "first_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row was first written.",
        ),
        sa.Column(
            "last_changed_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row last changed.",
        ),
        sa.PrimaryKeyConstraint("account", "import_id", "record_key", name="import_records_pkey"),
        schema=SCHEMA,
        comment="Records (lines) of bulk imports. Personal data.",
    )


def _create_import_record_errors() -> None:
    op.create_table(
        "import_record_errors",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("import_id", sa.Text, nullable=False, comment="The import that the record belongs to."),
        sa.Column("record_key", sa.Text, nullable=False, comment="The record that the error belongs to."),
        sa.Column(
            "error_no",
            sa.Integer,
            nullable=False,
            comment="Number of the row among the record's errors, from 0.",
        ),
        sa.Column("code", sa.Text, comment="Error code of the source."),
        sa.Column("message", sa.Text, comment="Message of the error."),
        sa.Column("description", sa.Text, comment="Longer text of the error."),
        sa.Column("field", sa.Text, comment="Name of the column that the error is about."),
        sa.Column("field_description", sa.Text, comment="What is wrong with that column."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.PrimaryKeyConstraint("account", "import_id", "record_key", "error_no", name="import_record_errors_pkey"),
        schema=SCHEMA,
        comment="Errors of records: one row per error and named field.",
    )


def _create_case_fields() -> None:
    op.create_table(
        "case_fields",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "field_key",
            sa.Text,
            nullable=False,
            comment="Key of the case field at the source; unique in the account.",
        ),
        sa.Column("field_id", sa.Text, comment="Id of the case field at the source (a number held in a text)."),
        sa.Column("name", sa.Text, comment="Display name."),
        sa.Column(
            "type",
            sa.Text,
            comment="Type code of the source, such as 001 (drop-down) or 002 (dependent field).",
        ),
        sa.Column("description", sa.Text, comment="Text that agents see."),
        sa.Column("required", sa.Boolean, comment="Must be filled before a case can be solved."),
        sa.Column("active", sa.Boolean, comment="False if deactivated at the source."),
        sa.Column("created_at", INSTANT, comment="Instant of creation at the source."),
        sa.Column("updated_at", INSTANT, comment="Instant of the last change at the source."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "first_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row was first written.",
        ),
        sa.Column(
            "last_changed_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row last changed.",
        ),
        sa.Column(
            "removed_at",
            INSTANT,
            comment="Instant at which the field was found missing from a complete answer; NULL = there.",
        ),
        sa.PrimaryKeyConstraint("account", "field_key", name="case_fields_pkey"),
        schema=SCHEMA,
        comment="Case fields, one row each, as last seen.",
    )


def _create_case_field_entries() -> None:
    op.create_table(
        "case_field_entries",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("field_key", sa.Text, nullable=False, comment="Key of the case field that the entry belongs to."),
        sa.Column(
            "entry_id",
            sa.Text,
            nullable=False,
            comment="Derived from the path (and the place among twins): the same in every run and warehouse.",
        ),
        sa.Column("key", sa.Text, nullable=False, comment="Key of the entry at the source."),
        sa.Column("label", sa.Text, comment="Text that agents see."),
        sa.Column("path", TEXTS, nullable=False, comment="Keys from the root, the entry's own last."),
        sa.Column("labels", TEXTS, nullable=False, comment="Labels from the root, the entry's own last."),
        sa.Column("parent_id", sa.Text, comment="entry_id of the parent; NULL at the root."),
        sa.Column("depth", sa.Integer, nullable=False, comment="Level in the tree, 1 at the root."),
        sa.Column("position", sa.BigInteger, nullable=False, comment="Place among its siblings, from 0."),
        sa.Column("is_leaf", sa.Boolean, nullable=False, comment="True if the entry has no children."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "first_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row was first written.",
        ),
        sa.Column(
            "last_changed_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant (our clock) at which this row last changed.",
        ),
        sa.Column(
            "removed_at",
            INSTANT,
            comment="Instant at which the entry was found missing from a complete answer; NULL = there.",
        ),
        sa.PrimaryKeyConstraint("account", "field_key", "entry_id", name="case_field_entries_pkey"),
        schema=SCHEMA,
        comment="Options of case fields: the dictionary trees, one row a node.",
    )


def _create_imports_versions() -> None:
    op.create_table(
        "imports_versions",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("import_id", sa.Text, nullable=False, comment="Id of the bulk import at the source."),
        sa.Column("filename", sa.Text, comment="Name of the submitted CSV file."),
        sa.Column(
            "type",
            sa.Text,
            comment="CREATE_USERS, UPDATE_USERS, DELETE_USERS, EXPORT_USERS, or a newer word of the source.",
        ),
        sa.Column(
            "status",
            sa.Text,
            comment="QUEUED, IN_PROGRESS, COMPLETED, SUCCESSFUL, COMPLETED_WITH_ERRORS, CANCELED, FAILED, ...",
        ),
        sa.Column("total_records", sa.BigInteger, comment="Lines of the file, as the source counts them."),
        sa.Column("completed_records", sa.BigInteger, comment="Records that succeeded so far."),
        sa.Column("failed_records", sa.BigInteger, comment="Records that failed so far."),
        sa.Column("created_by", sa.Text, comment="Id of the user who submitted the import."),
        sa.Column("created_at", INSTANT, comment="Instant of submission."),
        sa.Column("updated_by", sa.Text, comment="Id of the user or system that last changed the import."),
        sa.Column("updated_at", INSTANT, comment="Instant of the last change at the source."),
        sa.Column("canceled_by", sa.Text, comment="Id of the user or system that cancelled the import."),
        sa.Column("canceled_at", INSTANT, comment="Instant of the cancellation."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "valid_from",
            INSTANT,
            nullable=False,
            comment="Instant (the database's clock) from which this state was known, inclusive.",
        ),
        sa.Column("valid_to", INSTANT, comment="Instant up to which this state was known, exclusive; NULL = now."),
        sa.PrimaryKeyConstraint("account", "import_id", "valid_from", name="imports_versions_pkey"),
        schema=SCHEMA,
        comment="Every state of an import ever seen.",
    )
    op.create_index(
        "imports_versions_current_idx",
        "imports_versions",
        ["account", "import_id"],
        schema=SCHEMA,
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "imports_versions_valid_idx",
        "imports_versions",
        [sa.text("tstzrange(valid_from, valid_to)")],
        schema=SCHEMA,
        postgresql_using="gist",
    )


def _create_case_fields_versions() -> None:
    op.create_table(
        "case_fields_versions",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "field_key",
            sa.Text,
            nullable=False,
            comment="Key of the case field at the source; unique in the account.",
        ),
        sa.Column("field_id", sa.Text, comment="Id of the case field at the source (a number held in a text)."),
        sa.Column("name", sa.Text, comment="Display name."),
        sa.Column(
            "type",
            sa.Text,
            comment="Type code of the source, such as 001 (drop-down) or 002 (dependent field).",
        ),
        sa.Column("description", sa.Text, comment="Text that agents see."),
        sa.Column("required", sa.Boolean, comment="Must be filled before a case can be solved."),
        sa.Column("active", sa.Boolean, comment="False if deactivated at the source."),
        sa.Column("created_at", INSTANT, comment="Instant of creation at the source."),
        sa.Column("updated_at", INSTANT, comment="Instant of the last change at the source."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "valid_from",
            INSTANT,
            nullable=False,
            comment="Instant (the database's clock) from which this state was known, inclusive.",
        ),
        sa.Column("valid_to", INSTANT, comment="Instant up to which this state was known, exclusive; NULL = now."),
        sa.PrimaryKeyConstraint("account", "field_key", "valid_from", name="case_fields_versions_pkey"),
        schema=SCHEMA,
        comment="Every state of a case field ever seen.",
    )
    op.create_index(
        "case_fields_versions_current_idx",
        "case_fields_versions",
        ["account", "field_key"],
        schema=SCHEMA,
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "case_fields_versions_valid_idx",
        "case_fields_versions",
        [sa.text("tstzrange(valid_from, valid_to)")],
        schema=SCHEMA,
        postgresql_using="gist",
    )


def _create_case_field_entries_versions() -> None:
    op.create_table(
        "case_field_entries_versions",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("field_key", sa.Text, nullable=False, comment="Key of the case field that the entry belongs to."),
        sa.Column(
            "entry_id",
            sa.Text,
            nullable=False,
            comment="Derived from the path (and the place among twins): the same in every run and warehouse.",
        ),
        sa.Column("key", sa.Text, nullable=False, comment="Key of the entry at the source."),
        sa.Column("label", sa.Text, comment="Text that agents see."),
        sa.Column("path", TEXTS, nullable=False, comment="Keys from the root, the entry's own last."),
        sa.Column("parent_id", sa.Text, comment="entry_id of the parent; NULL at the root."),
        sa.Column("depth", sa.Integer, nullable=False, comment="Level in the tree, 1 at the root."),
        sa.Column(
            "extra",
            JSONB,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="What the source sent and no column took: unknown keys, and values that no column could read.",
        ),
        sa.Column(
            "valid_from",
            INSTANT,
            nullable=False,
            comment="Instant (the database's clock) from which this state was known, inclusive.",
        ),
        sa.Column("valid_to", INSTANT, comment="Instant up to which this state was known, exclusive; NULL = now."),
        sa.PrimaryKeyConstraint(
            "account", "field_key", "entry_id", "valid_from", name="case_field_entries_versions_pkey"
        ),
        schema=SCHEMA,
        comment="Every state of a dictionary entry ever seen.",
    )
    op.create_index(
        "case_field_entries_versions_current_idx",
        "case_field_entries_versions",
        ["account", "field_key", "entry_id"],
        schema=SCHEMA,
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "case_field_entries_versions_valid_idx",
        "case_field_entries_versions",
        [sa.text("tstzrange(valid_from, valid_to)")],
        schema=SCHEMA,
        postgresql_using="gist",
    )


def _create_sync_runs() -> None:
    op.create_table(
        "sync_runs",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column(
            "run_id",
            sa.Text,
            nullable=False,
            comment="One call of the sync command; the same for all its accounts.",
        ),
        sa.Column(
            "started_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant at which the account's sync began.",
        ),
        sa.Column("finished_at", INSTANT, comment="Instant at which it ended; NULL while it runs."),
        sa.Column(
            "outcome",
            sa.Text,
            nullable=False,
            comment="running, succeeded, partial, failed, interrupted or died.",
        ),
        sa.Column("window_from", INSTANT, comment="Start of a backfill window, inclusive."),
        sa.Column("window_to", INSTANT, comment="End of a backfill window, exclusive."),
        sa.Column("options", JSONB, nullable=False, comment="Options and settings that shaped the run; no secrets."),
        sa.Column("error", sa.Text, comment="First error, in one line."),
        sa.Column("version", sa.Text, nullable=False, comment="Version of talkdesk-etl."),
        sa.PrimaryKeyConstraint("account", "run_id", name="sync_runs_pkey"),
        schema=SCHEMA,
        comment="Ledger: one row per run and account.",
    )
    op.create_index("sync_runs_account_started_at_idx", "sync_runs", ["account", "started_at"], schema=SCHEMA)


def _create_sync_run_resources() -> None:
    op.create_table(
        "sync_run_resources",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("run_id", sa.Text, nullable=False, comment="The run."),
        sa.Column(
            "resource",
            sa.Text,
            nullable=False,
            comment="imports, import_records, case_fields or case_field_entries.",
        ),
        sa.Column("read", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="Items fetched."),
        sa.Column(
            "inserted",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Rows that were new.",
        ),
        sa.Column(
            "updated",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Rows that differed, or came back.",
        ),
        sa.Column(
            "unchanged",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Rows that were the same.",
        ),
        sa.Column(
            "removed",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Rows that were gone; of imports: those that expired.",
        ),
        sa.Column(
            "rejected",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Items that could not be loaded.",
        ),
        sa.Column(
            "requests",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="HTTP requests, retries included.",
        ),
        sa.Column(
            "retries",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Requests that were repeated.",
        ),
        sa.Column(
            "bytes",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="Bytes of the answers' bodies.",
        ),
        sa.Column(
            "seconds",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Seconds from the resource's start to its end.",
        ),
        sa.Column(
            "fetch_seconds",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Seconds that threads spent waiting for the source.",
        ),
        sa.Column(
            "flatten_seconds",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Seconds spent on turning items into rows.",
        ),
        sa.Column(
            "load_seconds",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Seconds spent in the database.",
        ),
        sa.Column(
            "waiting_seconds",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Seconds that the loader waited for rows.",
        ),
        sa.Column(
            "complete",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="True if everything was read to its end.",
        ),
        sa.PrimaryKeyConstraint("account", "run_id", "resource", name="sync_run_resources_pkey"),
        schema=SCHEMA,
        comment="Ledger: one row per run, account and resource.",
    )


def _create_rejected_items() -> None:
    op.create_table(
        "rejected_items",
        sa.Column("account", sa.Text, nullable=False, comment="Talkdesk account; first in every key."),
        sa.Column("item_id", sa.Text, nullable=False, comment="Digest of resource, import and item."),
        sa.Column("run_id", sa.Text, nullable=False, comment="The run that first met the item."),
        sa.Column(
            "resource",
            sa.Text,
            nullable=False,
            comment="imports, import_records, case_fields or case_field_entries.",
        ),
        sa.Column("import_id", sa.Text, comment="The import, if the item is one of its records."),
        sa.Column(
            "item",
            sa.Text,
            nullable=False,
            comment="The item as received (JSON). May be personal data; pruned by age.",
        ),
        sa.Column("reason", sa.Text, nullable=False, comment="Why it could not be loaded."),
        sa.Column(
            "rejected_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant at which it was first met.",
        ),
        sa.Column(
            "last_seen_at",
            INSTANT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Instant at which it was last met.",
        ),
        sa.PrimaryKeyConstraint("account", "item_id", name="rejected_items_pkey"),
        schema=SCHEMA,
        comment="Items that could not be loaded. May hold personal data.",
    )


def upgrade() -> None:
    _create_imports()
    _create_import_records()
    _create_import_record_errors()
    _create_case_fields()
    _create_case_field_entries()
    _create_imports_versions()
    _create_case_fields_versions()
    _create_case_field_entries_versions()
    _create_sync_runs()
    _create_sync_run_resources()
    _create_rejected_items()


def downgrade() -> None:
    for name in (
        "rejected_items",
        "sync_run_resources",
        "sync_runs",
        "case_field_entries_versions",
        "case_fields_versions",
        "imports_versions",
        "case_field_entries",
        "case_fields",
        "import_record_errors",
        "import_records",
        "imports",
    ):
        op.drop_table(name, schema=SCHEMA)
