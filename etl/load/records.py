"""Loading the records of imports: each import's records and errors are replaced as a whole, in one transaction.

Two ways lead in. Records of an import that has none stored are copied straight into the table. All others are copied
into temporary tables, made once per connection, and merged from there: only the rows that differ are written.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Row

from etl.jsontext import json_text
from etl.load.erasing import Erased, erased_records
from etl.load.halving import Stored, store_by_halves
from etl.packing import HEADER, TRAILER, Packed, blocks, key_of, told_error, told_record
from etl.rows import RecordErrorRow, RecordRow, Rejected
from etl.warehouse.counts import Counts
from etl.warehouse.sql import statements
from etl.warehouse.writing import only_compares, write

if TYPE_CHECKING:
    import psycopg

SQL = statements("etl.load", "records.sql")
KEYS = ("account", "import_id")


class Content(NamedTuple):
    """The records of one import; `records` is None if there was nothing to fetch, and stored ones stay.

    `finished`: the import had come to its end before its records were read, and they need not be read again.
    `whole`: all of them were read, so that what is missing is gone. `privacy` tells what was kept of their cells.
    `columns` is the header of the file as far as it is known, `source` where the records came from.
    """

    import_id: str
    records: Sequence[Packed] | None
    errors: Sequence[Packed]
    finished: bool
    whole: bool = True
    privacy: str | None = None
    columns: Sequence[str] | None = None
    source: str | None = None


def replace_records(connection: Connection, account: str, contents: Sequence[Content]) -> Stored:
    """Replace the imports' records and errors by exactly these; finished imports are marked as loaded.

    Of an import whose records were not all read, nothing is removed. A record that the database refuses is rejected,
    and stays as it was stored before; an import that cannot be stored record by record either has failed alone.
    """
    erased = erased_records(connection, account, [content.import_id for content in contents])
    contents = [_without_erased(content, erased.get(content.import_id)) for content in contents]
    read = [content for content in contents if content.records is not None]
    fresh = _fresh_ids(connection, account, [content.import_id for content in read])
    copied, merged = ([c for c in read if (c.import_id in fresh) is is_fresh] for is_fresh in (True, False))
    refused, failed = list[tuple[Content, str]](), list[tuple[Content, str]]()
    counts = store_by_halves(connection, partial(_copy_fresh, connection, account), copied, refused)
    counts.add(store_by_halves(connection, partial(_merge, connection, account), merged, refused))
    rejected = list[Rejected]()
    in_parts = partial(_merge_in_parts, connection, account, rejected)
    for content, _ in refused:
        counts.add(store_by_halves(connection, in_parts, [content], failed))
    unread = [content._replace(privacy=None, source=None) for content in contents if content.records is None]
    _note_loaded(connection, account, [(content, None) for content in unread])
    return Stored(counts, rejected, failed={content.import_id: reason for content, reason in failed})


def _without_erased(content: Content, erased: Erased | None) -> Content:
    if erased is None or content.records is None:
        return content
    records, errors = erased.blank(content.records, content.errors)
    return content._replace(records=records, errors=errors)


def with_own_records(connection: Connection, account: str, ids: Sequence[str]) -> set[str]:
    """Return those of the imports of which the records themselves are stored, which say more than an error file."""
    return set(connection.scalars(SQL["with_own_records"], {"account": account, "ids": list(ids)}))


def _fresh_ids(connection: Connection, account: str, ids: Sequence[str]) -> set[str]:
    """Return the imports whose records need no comparing, for none of them is stored."""
    if only_compares(connection):
        return set()
    return set(ids).difference(connection.scalars(SQL["stored_imports"], {"account": account, "ids": list(ids)}))


def _copy_fresh(connection: Connection, account: str, contents: Sequence[Content]) -> Counts:
    inserted = _copy(connection, "copy_records", account, {c.import_id: c.records or () for c in contents})
    _copy(connection, "copy_errors", account, {c.import_id: c.errors for c in contents})
    _note_loaded(connection, account, [(c, len(c.records or ())) for c in contents])
    return Counts(inserted=inserted)


def _merge(connection: Connection, account: str, contents: Sequence[Content]) -> Counts:
    stage(connection, account, contents)
    found = compare_staged(connection, account, [content.import_id for content in contents])
    counts, numbers = Counts(), list[tuple[Content, int | None]]()
    for content in contents:
        one = found[content.import_id]
        counts.add(_merge_staged(connection, account, content, one))
        is_of_now = content.whole or one.inserted == one.number
        noted = content if is_of_now else content._replace(privacy=None)
        numbers.append((noted, one.number - one.gone if content.whole else one.number))
    _note_loaded(connection, account, numbers)
    return counts


def compare_staged(connection: Connection, account: str, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """How the staged records of each import stand to those that are stored: number, inserted, updated, gone, errors."""
    return {row.import_id: row for row in connection.execute(SQL["compare"], {"account": account, "ids": list(ids)})}


def _merge_in_parts(
    connection: Connection, account: str, rejected: list[Rejected], contents: Sequence[Content]
) -> Counts:
    """Merge the records of one import by halves; those that are refused are added to the rejected."""
    (content,) = contents
    errors = defaultdict[str, list[Packed]](list)
    for error in content.errors:
        errors[key_of(error)].append(error)

    def store(records: Sequence[Packed]) -> Counts:
        of_these = [error for record in records for error in errors[key_of(record)]]
        part = content._replace(records=records, errors=of_these, finished=False, whole=False, privacy=None)
        return _merge(connection, account, [part])

    refused = list[tuple[Packed, str]]()
    counts = store_by_halves(connection, store, content.records or (), refused)
    if content.whole:
        counts.removed += _delete_unlisted(connection, account, content)
    one = {"account": account, "import_id": content.import_id}
    refused_keys = {key_of(record) for record, _ in refused}
    if not content.whole or (refused and refused_keys.intersection(connection.scalars(SQL["keys_of_records"], one))):
        content = content._replace(privacy=None)  # some are as they were stored before
    _note_loaded(connection, account, [(content, connection.scalar(SQL["count_records"], one))])
    for record, reason in refused:
        item = told_record(record) | {"errors": [told_error(error) for error in errors[key_of(record)]]}
        rejected.append(Rejected("import_records", content.import_id, json_text(item), reason))
    return counts


def _merge_staged(connection: Connection, account: str, content: Content, found: Row[Any]) -> Counts:
    """Merge the staged records and errors of one import; one that was read in part loses none."""
    one = {"account": account, "import_id": content.import_id}
    if found.errors:
        connection.execute(SQL["flag_errors"], one)
        found = compare_staged(connection, account, [content.import_id])[content.import_id]
    gone = found.gone if content.whole else 0
    if gone:
        write(connection, SQL["delete_gone_records"], one)
    if found.errors and content.whole:
        write(connection, SQL["delete_errors_of_gone_records"], one)
    if found.inserted or found.updated:
        write(connection, SQL["upsert_records"], one)
    if found.errors:
        write(connection, SQL["delete_errors"], one)
        write(connection, SQL["insert_errors"], one)
    unchanged = found.number - found.inserted - found.updated - found.gone
    return Counts(inserted=found.inserted, updated=found.updated, unchanged=unchanged, removed=gone)


def _delete_unlisted(connection: Connection, account: str, content: Content) -> int:
    """Delete stored records and errors that were not read; says how many records.

    They are told apart here: the source's keys may hold what the database cannot even be asked for.
    """
    one = {"account": account, "import_id": content.import_id}
    read = {key_of(record) for record in content.records or ()}
    gone, gone_errors = (
        set(connection.scalars(SQL[name], one)) - read for name in ("keys_of_records", "keys_of_errors")
    )
    write(connection, SQL["delete_records"], one | {"keys": list(gone)})
    write(connection, SQL["delete_errors_of_records"], one | {"keys": list(gone_errors)})
    return len(gone)


def _note_loaded(connection: Connection, account: str, numbers: Sequence[tuple[Content, int | None]]) -> None:
    """Note how many records of the imports are here (None: as many as before), and whether those are all."""
    notes = [
        {
            "account": account,
            "import_id": c.import_id,
            "records_loaded": number,
            "is_final": c.finished,
            "privacy": c.privacy,
            "columns": None if c.columns is None else list(c.columns),
            "source": c.source,
        }
        for c, number in numbers
    ]
    if notes:
        write(connection, SQL["note_loaded"], notes)


def stage(connection: Connection, account: str, contents: Sequence[Content]) -> None:
    """Fill the staging tables with exactly these imports' records and errors; they are made where they lack."""
    for name in ("make_staged_records", "make_staged_errors", "empty_staged_records", "empty_staged_errors"):
        connection.execute(SQL[name])
    _copy(connection, "stage_records", account, {c.import_id: c.records or () for c in contents})
    _copy(connection, "stage_errors", account, {c.import_id: c.errors for c in contents})


def _copy(connection: Connection, name: str, account: str, rows: Mapping[str, Sequence[Packed]]) -> int:
    """COPY the rows of each import by the statement of that name; says how many there were."""
    row: Any = RecordErrorRow if name.endswith("errors") else RecordRow
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    with driver.cursor() as cursor:
        with cursor.copy(SQL[name].text) as copy:
            copy.write(HEADER)
            for import_id, packed in rows.items():
                for block in blocks((account, import_id), packed, cells=len(KEYS) + len(row._fields)):
                    copy.write(block)
            copy.write(TRAILER)
        return cursor.rowcount
