"""Comparing records, which have no history: whether an import has the same ones, or each of them with its errors."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from etl import load
from etl.jsontext import json_text
from etl.load import by_halves
from etl.packing import told_error, told_record
from etl.reading.records import Records
from etl.verify.verification import Kind, Rows
from etl.warehouse.sql import statements

SQL = statements("etl.verify", "records.sql")
# A record's id is the source's text and may be somebody's address: what does not look like an id is not shown.
_HARMLESS = re.compile(r"[\w:-]{1,80}", re.ASCII)


class RecordFinding(NamedTuple):
    """A difference in one record; `path` is its key, or its position if the key might be somebody's data."""

    path: list[str]
    column: str | None
    kind: Kind


class ImportFinding(NamedTuple):
    """An import whose records differ; `rows` if there are more or fewer of them than the source gives."""

    import_id: str
    kind: Kind
    rows: Rows | None


def compare_contents(connection: Connection, account: str, batch: Sequence[Records]) -> Iterator[ImportFinding]:
    """Yield the imports whose stored records or errors are not exactly these, which are staged for it."""
    load.stage(
        connection, account, [load.Content(r.link.import_id, r.rows or (), r.errors, finished=False) for r in batch]
    )
    read = {records.link.import_id: len(records.rows or ()) for records in batch}
    for import_id, found in load.compare_staged(connection, account, list(read)).items():
        if found.inserted or found.updated or found.gone or found.errors:
            yield _import_finding(import_id, read=read[import_id], stored=found.number - found.inserted)


def summed_up(import_id: str, records: Records, found: Sequence[RecordFinding]) -> ImportFinding:
    """Return what the differences of an import's records come to."""
    read, kinds = len(records.rows or ()), Counter(each.kind for each in found if each.column is None)
    return _import_finding(import_id, read=read, stored=read - kinds["missing"] + kinds["extra"])


def _import_finding(import_id: str, *, read: int, stored: int) -> ImportFinding:
    if stored == read:
        return ImportFinding(import_id, "different", None)
    return ImportFinding(import_id, "missing" if stored < read else "extra", Rows(source=read, warehouse=stored))


def compare_records(
    connection: Connection, account: str, records: Records, refused: Collection[str] = ()
) -> list[RecordFinding]:
    """Return how the stored records of one import, and their errors, differ from these.

    The records of the refused keys are not told to the database: they differ from what it has.
    """
    one = {"account": account, "import_id": records.link.import_id}
    rows, errors = ([row for row in side if row["record_key"] not in refused] for side in _told(records))
    differing = connection.execute(SQL["compare_records"], one | {"rows": json_text(rows)}).all()
    with_errors = set(connection.scalars(SQL["compare_errors"], one | {"rows": json_text(errors)}))
    one_sided = {row.record_key: row.one_sided for row in differing if row.one_sided}
    one_sided = one_sided | {key: "different" if key in one_sided else "missing" for key in refused}
    found: list[tuple[str, str | None, Kind]] = [(key, None, kind) for key, kind in one_sided.items()]
    found += [(row.record_key, column, "different") for row in differing if not row.one_sided for column in row.columns]
    found += [(key, "errors", "different") for key in sorted(with_errors - one_sided.keys())]
    positions = {row.record_key: row.position for row in differing}
    positions |= {row["record_key"]: row["position"] for row in rows}
    return [RecordFinding(_path(key, positions.get(key)), column, kind) for key, column, kind in found]


def compare_storable(connection: Connection, account: str, records: Records) -> list[RecordFinding]:
    """Return the same for an import of which the database cannot take in every record, or not even the id."""

    def take_in(rows: Sequence[Any]) -> None:
        connection.execute(SQL["take_in"], {"rows": json_text(rows)})

    rows, errors = _told(records)
    unknown, refused = list[tuple[str, str]](), list[tuple[dict[str, Any], str]]()
    by_halves(connection, take_in, [records.link.import_id], unknown)
    if unknown:
        return [RecordFinding(_path(row["record_key"], row["position"]), None, "missing") for row in rows]
    by_halves(connection, take_in, [*rows, *errors], refused)
    return compare_records(connection, account, records, {row["record_key"] for row, _ in refused})


def _told(records: Records) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the records and their errors, as JSON has them."""
    return [*map(told_record, records.rows or ())], [*map(told_error, records.errors)]


def _path(record_key: str, position: int | None) -> list[str]:
    return [record_key if _HARMLESS.fullmatch(record_key) else f"position:{position}"]
