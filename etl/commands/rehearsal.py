"""What a sync does to the warehouse, done once with a made-up account, and rolled back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from etl import load
from etl.errors import DatabaseError
from etl.jsontext import json_bytes
from etl.load import CASE_FIELDS, ENTRIES, IMPORTS, USERS, Content, ErrorKey, Person, Versioned
from etl.packing import pack_error, pack_record
from etl.rows import CaseFieldRow, EntryRow, ImportRow, RecordErrorRow, RecordRow, Rejected, UserRow
from etl.warehouse import binding, ledger
from etl.warehouse.binding import Origin
from etl.warehouse.counts import Counts, Traffic
from etl.warehouse.ledger import RunKey
from etl.warehouse.sql import statement

RUN = RunKey("check", "talkdesk-etl check")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rehearse(connection: Connection) -> None:
    """Rehearse inside a transaction: write to every table as a sync does, and roll all of it back."""
    with connection.begin_nested() as rehearsal:
        _write_everything(connection)
        rehearsal.rollback()


def _write_everything(connection: Connection) -> None:
    ledger.start_run(connection, RUN, window=None, options={})
    ledger.fold_runs(connection, RUN.account, timedelta(days=1))
    for api_url in ("https://a", "https://b"):
        binding.bind(connection, RUN.account, Origin(api_url, "https://t", None))
    load.prune_rejected(connection, RUN.account, timedelta(days=1))
    load.keep_rejected(connection, RUN.account, RUN.run_id, [Rejected("imports", None, "{}", "a rehearsal")])
    for what, key, row in _versioned_rows():
        _write_twice(connection, what, key, row)
    _write_records(connection)
    person = Person({("a", "id:0")}, [ErrorKey("a", "id:0", 0, with_code=False, with_field=False)], [], ["a"])
    load.erase_person(connection, RUN.account, "Email", person)
    load.age_records(connection, RUN.account, timedelta(days=-100_000))
    load.note_users_read(connection, RUN.account)
    load.mark_expired(connection, account=RUN.account, ids=["a"])
    ledger.save_resource(connection, RUN, "imports", counts=Counts(), traffic=Traffic(), complete=False)
    connection.execute(statement("take_room"))
    if not ledger.finish_run(connection, RUN, outcome="failed", error=None):
        raise DatabaseError("what was written cannot be read again")


def guarded_tables(connection: Connection) -> list[str]:
    """Return the tables of which row level security shows this role a part."""
    return sorted(connection.scalars(statement("guarded_tables")))


def _versioned_rows() -> list[tuple[Versioned, tuple[str, ...], dict[str, Any]]]:
    imported = ImportRow("a", "é", None, "COMPLETED", 1, 1, 0, None, NOW, None, NOW, None, None, {})
    field = CaseFieldRow("a", None, "é", None, None, None, None, NOW, NOW, {})
    entry = EntryRow("a", "a", "a", "é", ["a"], ["é"], None, 1, 0, True, {})  # noqa: FBT003 - is_leaf
    user = UserRow("a", "é", None, None, None, None, None, NOW, {})
    return [
        (IMPORTS, ("a",), imported._asdict()),
        (CASE_FIELDS, ("a",), field._asdict()),
        (ENTRIES, ("a", "a"), entry._asdict()),
        (USERS, ("a",), user._asdict()),
    ]


def _write_twice(connection: Connection, what: Versioned, key: tuple[str, ...], row: dict[str, Any]) -> None:
    """Write twice, the second time as a change, which ends a version and begins the next."""
    load.upsert(connection, what, RUN.account, {key: json_bytes(row)})
    load.upsert(connection, what, RUN.account, {key: json_bytes(row | {"extra": {"changed": True}})})
    if what is not IMPORTS:
        load.mark_removed(connection, what, RUN.account, [key])


def _write_records(connection: Connection) -> None:
    """First copied into the table, then compared with it, changed and removed."""
    records = [pack_record(RecordRow(f"id:{n}", None, n, n, None, b"{}")) for n in range(3)]
    errors = [pack_error(RecordErrorRow("id:0", 0, "a", None, None, None, None, b"{}"))]
    changed = pack_record(RecordRow("id:1", None, 1, 1, "DONE", b"{}"))
    for rows, their_errors in ((records, errors), ([records[0], changed], [])):
        load.replace_records(connection, RUN.account, [Content("a", rows, their_errors, finished=True)])
