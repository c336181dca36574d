"""Comparing records, which have no history: how many an import has, or each of them with its errors."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, Text, and_, bindparam, case, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from etl.jsontext import json_bytes
from etl.load.rowsets import ACCOUNT, incoming_rows
from etl.packing import as_json, unpack_error, unpack_record
from etl.reading.records import Records
from etl.rows import RecordErrorRow, RecordRow
from etl.verify.verification import Kind
from etl.verify.versioned import names_of
from etl.warehouse.tables import import_record_errors, import_records

IDS = bindparam("ids", type_=ARRAY(Text))
IMPORT = bindparam("import_id", type_=Text)
# A record's id is the source's text and may be somebody's address: what does not look like an id is not shown.
_HARMLESS = re.compile(r"[\w:-]{1,80}", re.ASCII)


class RecordFinding(NamedTuple):
    """A difference in one record; `path` is its key, or its position if the key might be somebody's data."""

    path: list[str]
    column: str | None
    kind: Kind


def record_counts(connection: Connection, account: str, ids: Collection[str]) -> dict[str, int]:
    """How many records each of these imports has here; those without any are left out."""
    mine = (import_records.c.account == account, import_records.c.import_id == func.any(IDS))
    statement = select(import_records.c.import_id, func.count()).where(*mine).group_by(import_records.c.import_id)
    return {row[0]: row[1] for row in connection.execute(statement, {"ids": list(ids)})}


def compare_records(connection: Connection, account: str, records: Records) -> list[RecordFinding]:
    """How the stored records of one import, and their errors, differ from these."""
    rows, import_id = [unpack_record(packed) for packed in records.rows or ()], records.link.import_id
    cells = [as_json(row) for row in rows]
    differing = connection.execute(_RECORDS, _parameters(account, import_id, cells)).all()
    cells = [as_json(unpack_error(packed)) for packed in records.errors]
    with_errors = {row.record_key for row in connection.execute(_ERRORS, _parameters(account, import_id, cells))}
    one_sided = {row.record_key: row.one_sided for row in differing if row.one_sided}
    found: list[tuple[str, str | None, Kind]] = [(key, None, kind) for key, kind in one_sided.items()]
    found += [(row.record_key, column, "different") for row in differing if not row.one_sided for column in row.columns]
    found += [(key, "errors", "different") for key in sorted(with_errors - one_sided.keys())]
    positions = {row.record_key: row.position for row in differing} | {row.record_key: row.position for row in rows}
    return [RecordFinding(_path(key, positions.get(key)), column, kind) for key, column, kind in found]


def _path(record_key: str, position: int | None) -> list[str]:
    return [record_key if _HARMLESS.fullmatch(record_key) else f"position:{position}"]


def _parameters(account: str, import_id: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {"account_name": account, "import_id": import_id, "rows": json_bytes(rows).decode()}


def _differing(table: Table, columns: tuple[str, ...], *, keys: tuple[str, ...]) -> Select[Any]:
    """The rows of one import that differ, or stand on one side only: which one, their key and the columns."""
    incoming = incoming_rows(table, columns)
    stored = select(table).where(table.c.account == ACCOUNT, table.c.import_id == IMPORT).subquery("stored")
    same = and_(*(incoming.c[name] == stored.c[name] for name in keys))
    one_sided = case(
        (stored.c.account.is_(None), literal("missing", Text)),
        (incoming.c.record_key.is_(None), literal("extra", Text)),
    )
    cells = [name for name in columns if name not in keys]
    differing = names_of({name: stored.c[name].is_distinct_from(incoming.c[name]) for name in cells})
    return (
        select(
            func.coalesce(incoming.c.record_key, stored.c.record_key).label("record_key"),
            *([stored.c.position] if "position" in columns else []),
            one_sided.label("one_sided"),
            differing.label("columns"),
        )
        .select_from(incoming.join(stored, same, full=True))
        .where(or_(one_sided.is_not(None), func.cardinality(differing) > 0))
    )


_RECORDS = _differing(import_records, RecordRow._fields, keys=("record_key",))
_ERRORS = _differing(import_record_errors, RecordErrorRow._fields, keys=("record_key", "error_no"))
