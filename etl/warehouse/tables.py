"""The tables of the warehouse, declared once; the migrations create exactly these.

Rules kept for Citus: every key begins with `account`, no foreign keys, no triggers, no identity columns.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

SCHEMA = "talkdesk"
REVISION = "0012"
"""The Alembic revision that this code needs; a test holds it against the migrations' head."""

LEDGER = frozenset({"sync_runs", "sync_run_resources", "coverage_folded"})
"""What runs note of themselves; of Citus' servers the coordinator alone holds it."""

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)


def _column(name: str, kind: Any, comment: str, **options: Any) -> Column[Any]:
    return Column(name, kind, comment=comment, **options)


def _key(name: str, comment: str) -> Column[Any]:
    return _column(name, Text, comment, primary_key=True, nullable=False)


def _text(name: str, comment: str) -> Column[Any]:
    return _column(name, Text, comment)


def _count(name: str, comment: str) -> Column[Any]:
    return _column(name, BigInteger, comment)


def _seconds(name: str, comment: str) -> Column[Any]:
    return _column(name, Double, comment, nullable=False, server_default=text("0"))


def _total(name: str, comment: str) -> Column[Any]:
    return _column(name, BigInteger, comment, nullable=False, server_default=text("0"))


def _instant(name: str, comment: str, **options: Any) -> Column[Any]:
    return _column(name, TIMESTAMP(timezone=True), comment, **options)


def _account() -> Column[Any]:
    return _key("account", "Talkdesk account; first in every key.")


def _extra() -> Column[Any]:
    comment = "What the source sent and no column took: unknown keys, and values that no column could read."
    return _column("extra", JSONB, comment, nullable=False, server_default=text("'{}'"))


def _first_seen_at() -> Column[Any]:
    comment = "Instant (our clock) at which this row was first written."
    return _instant("first_seen_at", comment, nullable=False, server_default=func.now())


def _last_changed_at() -> Column[Any]:
    comment = "Instant (our clock) at which this row last changed."
    return _instant("last_changed_at", comment, nullable=False, server_default=func.now())


def _removed_at(what: str) -> Column[Any]:
    return _instant("removed_at", f"Instant at which {what} was found missing from a complete answer; NULL = there.")


def _valid_from() -> Column[Any]:
    comment = "Instant (the database's clock) from which this state was known, inclusive."
    return _instant("valid_from", comment, primary_key=True, nullable=False)


def _valid_to() -> Column[Any]:
    return _instant("valid_to", "Instant up to which this state was known, exclusive; NULL = now.")


def _import_columns() -> list[Column[Any]]:
    return [
        _account(),
        _key("import_id", "Id of the bulk import at the source."),
        _text("filename", "Name of the submitted CSV file."),
        _text("type", "CREATE_USERS, UPDATE_USERS, DELETE_USERS, EXPORT_USERS, or a newer word of the source."),
        _text("status", "QUEUED, IN_PROGRESS, COMPLETED, SUCCESSFUL, COMPLETED_WITH_ERRORS, CANCELED, FAILED, ..."),
        _count("total_records", "Lines of the file, as the source counts them."),
        _count("completed_records", "Records that succeeded so far."),
        _count("failed_records", "Records that failed so far."),
        _text("created_by", "Id of the user who submitted the import."),
        _instant("created_at", "Instant of submission."),
        _text("updated_by", "Id of the user or system that last changed the import."),
        _instant("updated_at", "Instant of the last change at the source."),
        _text("canceled_by", "Id of the user or system that cancelled the import."),
        _instant("canceled_at", "Instant of the cancellation."),
        _extra(),
    ]


def _case_field_columns() -> list[Column[Any]]:
    return [
        _account(),
        _key("field_key", "Key of the case field at the source; unique in the account."),
        _text("field_id", "Id of the case field at the source (a number held in a text)."),
        _text("name", "Display name."),
        _text("type", "Type code of the source, such as 001 (drop-down) or 002 (dependent field)."),
        _text("description", "Text that agents see."),
        _column("required", Boolean, "Must be filled before a case can be solved."),
        _column("active", Boolean, "False if deactivated at the source."),
        _instant("created_at", "Instant of creation at the source."),
        _instant("updated_at", "Instant of the last change at the source."),
        _extra(),
    ]


def _user_columns() -> list[Column[Any]]:
    return [
        _account(),
        _key("user_id", "Id of the user at the source; imports name it in created_by, updated_by and canceled_by."),
        _text("name", "Name of the user. Personal data."),
        _text("email", "E-mail address; NULL where only names are kept. Personal data."),
        _column("active", Boolean, "False if deactivated at the source."),
        _text("gender", "As the source says; NULL where only names are kept. Personal data."),
        _text("extension", "Internal extension; NULL where only names are kept. Personal data."),
        _text("external_phone_number", "Phone number; NULL where only names are kept. Personal data."),
        _instant("created_at", "Instant of creation at the source; NULL where only names are kept."),
        _extra(),
    ]


def _entry_key_columns() -> list[Column[Any]]:
    return [
        _account(),
        _key("field_key", "Key of the case field that the entry belongs to."),
        _key(
            "entry_id",
            "Derived from the path (and the place among twins): the same in every run and warehouse.",
        ),
        _column("key", Text, "Key of the entry at the source.", nullable=False),
        _text("label", "Text that agents see."),
    ]


def _path() -> Column[Any]:
    return _column("path", ARRAY(Text), "Keys from the root, the entry's own last.", nullable=False)


def _parent_id() -> Column[Any]:
    return _text("parent_id", "entry_id of the parent; NULL at the root.")


def _depth() -> Column[Any]:
    return _column("depth", Integer, "Level in the tree, 1 at the root.", nullable=False)


imports = Table(
    "imports",
    metadata,
    *_import_columns(),
    _first_seen_at(),
    _last_changed_at(),
    _instant("records_loaded_at", "Instant at which all records of the finished import were in; NULL = not yet."),
    _instant("expired_at", "Instant at which the source was found to have forgotten the import; the row stays."),
    _total("records_loaded", "Rows of the import in import_records, kept by the loader."),
    _instant(
        "users_read_at",
        "Instant at which the users were first read whole after the import was over: what changed of them later is "
        "not its doing; NULL = not yet, or they were not read before it either.",
    ),
    _text(
        "records_privacy",
        "What was kept of their cells: keep or drop, and a keyed fingerprint of what was hashed; NULL = not known.",
    ),
    _column(
        "record_columns",
        ARRAY(Text),
        "Header of the file, as far as its records show it; columns that only later records have come after. "
        "NULL = not known, or cells are dropped.",
    ),
    _text(
        "records_source",
        "Where the records came from: records, or errors_file (the failed ones alone, where the others cannot be had); "
        "NULL = nowhere yet.",
    ),
    _instant(
        "records_aged_at",
        "Instant at which its records lost their cells by age (TALKDESK_RECORD_KEEP_DAYS); NULL = they did not.",
    ),
    Index(
        "imports_unaged_idx",
        "account",
        "created_at",
        "first_seen_at",
        postgresql_where=text("records_loaded > 0 AND records_aged_at IS NULL"),
    ),
    Index("imports_account_created_at_idx", "account", "created_at", postgresql_include=["records_loaded"]),
    Index("imports_created_at_idx", "created_at"),
    Index("imports_users_unread_idx", "account", "first_seen_at", postgresql_where=text("users_read_at IS NULL")),
    Index("imports_records_privacy_idx", "account", "records_privacy", postgresql_where=text("records_loaded > 0")),
    Index(
        "imports_unloaded_idx",
        "account",
        "created_at",
        "first_seen_at",
        postgresql_where=text("expired_at IS NULL AND records_loaded_at IS NULL"),
    ),
    comment="Bulk user imports, one row each, as last seen.",
)

import_records = Table(
    "import_records",
    metadata,
    _account(),
    _key("import_id", "The import that the record belongs to."),
    _key(
        "record_key",
        "id:<record id>, else line:<line>, else position:<position>, whichever is there and free.",
    ),
    _text("record_id", "Id of the record at the source."),
    _count("line", "Line of the CSV file, as the source says."),
    _column("position", BigInteger, "Order of arrival, from 0.", nullable=False),
    _text("status", "Status of the record, in the source's word."),
    _column("data", JSONB, "Everything else of the record: the cells. Personal data.", nullable=False),
    _first_seen_at(),
    _last_changed_at(),
    _instant("erased_at", "Instant at which the record lost its cells, for good; NULL = it did not."),
    Index(
        "import_records_erased_idx",
        "account",
        "import_id",
        postgresql_include=["record_key"],
        postgresql_where=text("erased_at IS NOT NULL"),
    ),
    comment="Records (lines) of bulk imports. Personal data.",
)

import_record_errors = Table(
    "import_record_errors",
    metadata,
    _account(),
    _key("import_id", "The import that the record belongs to."),
    _key("record_key", "The record that the error belongs to."),
    _column(
        "error_no",
        Integer,
        "Number of the row among the record's errors, from 0.",
        primary_key=True,
        nullable=False,
    ),
    _text("code", "Error code of the source."),
    _text("message", "Message of the error."),
    _text("description", "Longer text of the error."),
    _text("field", "Name of the column that the error is about."),
    _text("field_description", "What is wrong with that column."),
    _extra(),
    comment="Errors of records: one row per error and named field.",
)

case_fields = Table(
    "case_fields",
    metadata,
    *_case_field_columns(),
    _first_seen_at(),
    _last_changed_at(),
    _removed_at("the field"),
    comment="Case fields, one row each, as last seen.",
)

case_field_entries = Table(
    "case_field_entries",
    metadata,
    *_entry_key_columns(),
    _path(),
    _column("labels", ARRAY(Text), "Labels from the root, the entry's own last.", nullable=False),
    _parent_id(),
    _depth(),
    _column("position", BigInteger, "Place among its siblings, from 0.", nullable=False),
    _column("is_leaf", Boolean, "True if the entry has no children.", nullable=False),
    _extra(),
    _first_seen_at(),
    _last_changed_at(),
    _removed_at("the entry"),
    Index("case_field_entries_current_idx", "account", postgresql_where=text("removed_at IS NULL")),
    comment="Options of case fields: the dictionary trees, one row a node.",
)


users = Table(
    "users",
    metadata,
    *_user_columns(),
    _first_seen_at(),
    _last_changed_at(),
    _removed_at("the user"),
    _instant("erased_at", "Instant at which the user lost all that tells who it is, for good; NULL = did not."),
    comment="Users of the account, as last seen; empty unless TALKDESK_USERS asks for them. Personal data.",
)


def _versions(name: str, columns: list[Column[Any]], comment: str) -> Table:
    """Return a history table: one open version per thing, found by instant through a range index."""
    table = Table(name, metadata, *columns, _valid_from(), _valid_to(), comment=comment)
    keys = [c.name for c in table.primary_key if c.name != "valid_from"]
    Index(
        f"{name}_current_idx",
        *(table.c[k] for k in keys),
        unique=True,
        postgresql_where=text("valid_to IS NULL"),
    )
    Index(f"{name}_valid_idx", text("tstzrange(valid_from, valid_to)"), postgresql_using="gist", _table=table)
    return table


imports_versions = _versions("imports_versions", _import_columns(), "Every state of an import ever seen.")
case_fields_versions = _versions(
    "case_fields_versions", _case_field_columns(), "Every state of a case field ever seen."
)
case_field_entries_versions = _versions(
    "case_field_entries_versions",
    [*_entry_key_columns(), _path(), _parent_id(), _depth(), _extra()],
    "Every state of a dictionary entry ever seen.",
)

users_versions = _versions("users_versions", _user_columns(), "Every state of a user ever seen. Personal data.")
Index(
    "users_versions_email_idx",
    users_versions.c.account,
    text("lower(btrim(email))"),
    _table=users_versions,
)
Index("users_versions_account_valid_from_idx", users_versions.c.account, users_versions.c.valid_from)

sync_runs = Table(
    "sync_runs",
    metadata,
    _account(),
    _key("run_id", "One call of the sync command; the same for all its accounts."),
    _instant("started_at", "Instant at which the account's sync began.", nullable=False, server_default=func.now()),
    _instant("finished_at", "Instant at which it ended; NULL while it runs."),
    _column("outcome", Text, "running, succeeded, partial, failed, interrupted or died.", nullable=False),
    _instant("window_from", "Start of a backfill window, inclusive."),
    _instant("window_to", "End of a backfill window, exclusive."),
    _column("options", JSONB, "Options and settings that shaped the run; no secrets.", nullable=False),
    _text("error", "First error, in one line."),
    _column("version", Text, "Version of talkdesk-etl.", nullable=False),
    Index(
        "sync_runs_started_at_idx",
        "account",
        "started_at",
        "run_id",
        postgresql_include=["finished_at", "outcome", "window_from", "window_to"],
    ),
    Index("sync_runs_running_idx", "account", postgresql_where=text("outcome = 'running'")),
    Index("sync_runs_duration_idx", "account", text("(finished_at - started_at)")),
    Index(
        "sync_runs_sample_idx",
        "account",
        "started_at",
        "run_id",
        postgresql_where=text("window_from IS NULL AND window_to IS NULL AND (hashtext(run_id) & 15) = 0"),
    ),
    comment="Ledger: one row per run and account.",
)


sync_run_resources = Table(
    "sync_run_resources",
    metadata,
    _account(),
    _key("run_id", "The run."),
    _key("resource", "imports, import_records, case_fields, case_field_entries or users."),
    _total("read", "Items fetched."),
    _total("inserted", "Rows that were new."),
    _total("updated", "Rows that differed, or came back."),
    _total("unchanged", "Rows that were the same."),
    _total("removed", "Rows that were gone; of imports: those that expired."),
    _total("rejected", "Items that could not be loaded."),
    _total("requests", "HTTP requests, retries included."),
    _total("retries", "Requests that were repeated."),
    _total("bytes", "Bytes of the answers' bodies."),
    _seconds("seconds", "Seconds from the resource's start to its end."),
    _seconds("fetch_seconds", "Seconds that threads spent waiting for the source."),
    _seconds("flatten_seconds", "Seconds spent on turning items into rows."),
    _seconds("load_seconds", "Seconds spent in the database."),
    _seconds("waiting_seconds", "Seconds that the loader waited for rows."),
    _column(
        "complete",
        Boolean,
        "True if everything was read to its end.",
        nullable=False,
        server_default=text("false"),
    ),
    Index(
        "sync_run_resources_complete_idx",
        "account",
        "resource",
        "run_id",
        postgresql_include=["seconds"],
        postgresql_where=text("complete"),
    ),
    Index(
        "sync_run_resources_incomplete_idx",
        "account",
        "resource",
        "run_id",
        postgresql_where=text("NOT complete"),
    ),
    Index(
        "sync_run_resources_sample_idx",
        "account",
        "run_id",
        postgresql_where=text("resource = 'imports' AND complete AND (hashtext(run_id) & 15) = 0"),
    ),
    comment="Ledger: one row per run, account and resource.",
)

accounts = Table(
    "accounts",
    metadata,
    _account(),
    _column("api_url", Text, "Address of the API that the account is read from.", nullable=False),
    _column("token_url", Text, "Address that grants the tokens.", nullable=False),
    _text("client_id", "OAuth client; NULL where token_url names the account, so that any client of it will do."),
    _instant(
        "bound_at", "Instant of the sync that bound the account to this.", nullable=False, server_default=func.now()
    ),
    comment="The source that each account is bound to; another one is refused until a sync accepts it.",
)

coverage_folded = Table(
    "coverage_folded",
    metadata,
    _account(),
    _instant("listed_at", "Start of a run that read the whole list of imports.", primary_key=True, nullable=False),
    _key("run_id", "That run."),
    _instant("next_listed_at", "End of the next such run; NULL = still in the ledger, with what came after."),
    comment="What coverage_gaps needs of runs that have left: where a day or more passed between listings.",
)

erasures = Table(
    "erasures",
    metadata,
    _account(),
    _instant(
        "erased_at", "Instant of the erasure.", primary_key=True, nullable=False, server_default=func.clock_timestamp()
    ),
    _key("column_name", "Column of the records in which the values were sought; the values are kept nowhere."),
    _total("records", "Records that lost their cells."),
    _total("errors", "Errors that lost their texts."),
    _total("rejected", "Rejected items that are gone."),
    _total("users", "Users who lost what tells who they are."),
    _column("erased_by", Text, "The database role that ran it.", nullable=False),
    comment="Who erased how much of somebody's data, and when; never whose.",
)

rejected_items = Table(
    "rejected_items",
    metadata,
    _account(),
    _key("item_id", "Digest of resource, import and item."),
    _column("run_id", Text, "The run that first met the item.", nullable=False),
    _column("resource", Text, "imports, import_records, case_fields, case_field_entries or users.", nullable=False),
    _text("import_id", "The import, if the item is one of its records."),
    _column("item", Text, "The item as received (JSON). May be personal data; pruned by age.", nullable=False),
    _column("reason", Text, "Why it could not be loaded.", nullable=False),
    _instant("rejected_at", "Instant at which it was first met.", nullable=False, server_default=func.now()),
    _instant("last_seen_at", "Instant at which it was last met.", nullable=False, server_default=func.now()),
    Index("rejected_items_standing_idx", "account", "resource", "last_seen_at"),
    comment="Items that could not be loaded. May hold personal data.",
)
