"""Comparing records, which have no history: how many an import has, or each of them with its errors."""

import re
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection

from etl.jsontext import json_text
from etl.packing import told_error, told_record
from etl.reading.records import Records
from etl.verify.verification import Kind
from etl.warehouse.sql import statements

SQL = statements("etl.verify", "records.sql")
# A record's id is the source's text and may be somebody's address: what does not look like an id is not shown.
_HARMLESS = re.compile(r"[\w:-]{1,80}", re.ASCII)


class RecordFinding(NamedTuple):
    """A difference in one record; `path` is its key, or its position if the key might be somebody's data."""

    path: list[str]
    column: str | None
    kind: Kind


def record_counts(connection: Connection, account: str, ids: Collection[str]) -> dict[str, int]:
    """How many records each of these imports has here; those without any are left out."""
    found = connection.execute(SQL["record_counts"], {"account": account, "ids": list(ids)})
    return {row.import_id: row.number for row in found if row.number}


def compare_records(connection: Connection, account: str, records: Records) -> list[RecordFinding]:
    """How the stored records of one import, and their errors, differ from these."""
    one = {"account": account, "import_id": records.link.import_id}
    rows, errors = [*map(told_record, records.rows or ())], [*map(told_error, records.errors)]
    differing = connection.execute(SQL["compare_records"], one | {"rows": json_text(rows)}).all()
    with_errors = set(connection.scalars(SQL["compare_errors"], one | {"rows": json_text(errors)}))
    one_sided = {row.record_key: row.one_sided for row in differing if row.one_sided}
    found: list[tuple[str, str | None, Kind]] = [(key, None, kind) for key, kind in one_sided.items()]
    found += [(row.record_key, column, "different") for row in differing if not row.one_sided for column in row.columns]
    found += [(key, "errors", "different") for key in sorted(with_errors - one_sided.keys())]
    positions = {row.record_key: row.position for row in differing}
    positions |= {row["record_key"]: row["position"] for row in rows}
    return [RecordFinding(_path(key, positions.get(key)), column, kind) for key, column, kind in found]


def _path(record_key: str, position: int | None) -> list[str]:
    return [record_key if _HARMLESS.fullmatch(record_key) else f"position:{position}"]
