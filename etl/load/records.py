"""Loading the records of imports: each import's records and errors are replaced as a whole, in one transaction.

Records of an import that has none stored are copied straight into the table. Few others are compared as JSON, and only
those of imports that differ are copied into temporary tables; many are copied there at once and compared there. Either
way only the rows that differ are written.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Delete,
    FromClause,
    Insert,
    MetaData,
    Table,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert_into
from sqlalchemy.schema import CreateTable

from etl.jsontext import json_bytes
from etl.load.imports import IDS
from etl.load.rowsets import ACCOUNT, BYTES_PER_STATEMENT, incoming_rows
from etl.packing import HEADER, TRAILER, Packed, as_json, blocks, unpack_error, unpack_record
from etl.rows import RecordErrorRow, RecordRow
from etl.warehouse.counts import Counts
from etl.warehouse.tables import import_record_errors, import_records, imports

RECORD_COLUMNS = ("account", "import_id", *RecordRow._fields)
ERROR_COLUMNS = ("account", "import_id", *RecordErrorRow._fields)
RECORD_CELLS = ("record_id", "line", "position", "status", "data")
ERROR_CELLS = ("code", "message", "description", "field", "field_description", "extra")
MAX_COMPARED_ROWS = 5_000
HAS_STAGED = "has staged records"


class Content(NamedTuple):
    """The records of one import; `records` is None if there was nothing to fetch, and stored ones stay.

    `finished`: the import had come to its end before its records were read, and they need not be read again.
    `whole`: all of them were read, so that what is missing is gone.
    """

    import_id: str
    records: Sequence[Packed] | None
    errors: Sequence[Packed]
    finished: bool
    whole: bool = True


def _staging(stored: Table, columns: Sequence[str], *more: Column[Any]) -> Table:
    return Table(
        f"staged_{stored.name}",
        MetaData(),
        *(Column(name, stored.c[name].type) for name in columns),
        *more,
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DELETE ROWS",
    )


STAGED = _staging(import_records, RECORD_COLUMNS, Column("errors_differ", Boolean, server_default=false()))
STAGED_ERRORS = _staging(import_record_errors, ERROR_COLUMNS)


def replace_records(connection: Connection, account: str, contents: Sequence[Content]) -> Counts:
    """Afterwards the imports' records and errors are exactly these; finished imports are marked as loaded.

    Of an import whose records were not all read, nothing is removed.
    """
    read = [content for content in contents if content.records is not None]
    stored = _stored_ids(connection, account, [content.import_id for content in read])
    fresh = [content for content in read if content.import_id not in stored]
    counts = _copy_contents(connection, account, fresh, import_records, import_record_errors)
    counts.add(_replace(connection, account, [content for content in read if content.import_id in stored]))
    _mark_loaded(connection, account, [content.import_id for content in contents if content.finished])
    return counts


def _stored_ids(connection: Connection, account: str, ids: Sequence[str]) -> set[str]:
    return set(connection.scalars(_STORED, {"account_name": account, "ids": list(ids)}))


def _mark_loaded(connection: Connection, account: str, ids: Sequence[str]) -> None:
    if not ids:
        return
    pending = and_(
        imports.c.account == ACCOUNT,
        imports.c.import_id == func.any(IDS),
        imports.c.records_loaded_at.is_(None),
    )
    statement = update(imports).values(records_loaded_at=func.now()).where(pending)
    connection.execute(statement, {"account_name": account, "ids": list(ids)})


def _copy_contents(
    connection: Connection, account: str, contents: Sequence[Content], records: Table, errors: Table
) -> Counts:
    if not contents:
        return Counts()
    inserted = _copy(connection, account, records, RECORD_COLUMNS, {c.import_id: c.records or () for c in contents})
    _copy(connection, account, errors, ERROR_COLUMNS, {c.import_id: c.errors for c in contents})
    return Counts(inserted=inserted)


def _copy(
    connection: Connection, account: str, table: Table, columns: Sequence[str], rows: Mapping[str, Sequence[Packed]]
) -> int:
    """COPY the rows of each import; says how many there were."""
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    name = sql.Identifier(*filter(None, (table.schema, table.name)))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with driver.cursor() as cursor:
        with cursor.copy(_COPY.format(name, names)) as copy:
            copy.write(HEADER)
            for import_id, packed in rows.items():
                for block in blocks((account, import_id), packed, cells=len(columns)):
                    copy.write(block)
            copy.write(TRAILER)
        return cursor.rowcount


_COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")


def _replace(connection: Connection, account: str, contents: Sequence[Content]) -> Counts:
    """Temporary tables cost 200 kB of WAL in the catalog: too much for an hourly look at an import under way.

    Where they are there already, or the rows are many, they are the quicker way.
    """
    if not contents:
        return Counts()
    number = sum(len(content.records or ()) for content in contents)
    if connection.info.get(HAS_STAGED) or number > MAX_COMPARED_ROWS:
        _stage(connection, account, contents)
        return _merge(connection, account, contents) if _differ_staged(connection, account, contents) else _same(number)
    differing = _differing_ids(connection, account, contents)
    changed = [content for content in contents if content.import_id in differing]
    counts = _same(number - sum(len(content.records or ()) for content in changed))
    if changed:
        _stage(connection, account, changed)
        counts.add(_merge(connection, account, changed))
    return counts


def _same(number: int) -> Counts:
    return Counts(unchanged=number)


def _differ_staged(connection: Connection, account: str, contents: Sequence[Content]) -> bool:
    """True if the imports have not exactly the staged records and errors."""
    parameters = {"account_name": account, "ids": [content.import_id for content in contents]}
    return any(connection.execute(each, parameters).first() for each in (_DIFFERING_STAGED, _DIFFERING_STAGED_ERRORS))


def _differing_ids(connection: Connection, account: str, contents: Sequence[Content]) -> set[str]:
    """The imports whose records or errors are not exactly those that are stored, or are too large to tell."""
    ids = [content.import_id for content in contents]
    records = [{"import_id": c.import_id, **as_json(unpack_record(row))} for c in contents for row in c.records or ()]
    errors = [{"import_id": c.import_id, **as_json(unpack_error(row))} for c in contents for row in c.errors]
    found: set[str] = set()
    for statement, rows in ((_DIFFERING, json_bytes(records)), (_DIFFERING_ERRORS, json_bytes(errors))):
        if len(rows) > BYTES_PER_STATEMENT:
            return set(ids)
        found.update(connection.scalars(statement, {"account_name": account, "ids": ids, "rows": rows.decode()}))
    return found


def _merge(connection: Connection, account: str, contents: Sequence[Content]) -> Counts:
    """The imports have exactly the staged records and errors; those read in part have lost none."""
    parameters = {"account_name": account, "ids": [content.import_id for content in contents]}
    of_whole = parameters | {"ids": [content.import_id for content in contents if content.whole]}
    connection.execute(_FLAG_ERRORS, parameters)
    removed = connection.execute(_DELETE_GONE, of_whole).rowcount
    connection.execute(_DELETE_ERRORS_OF_GONE, of_whole)
    inserted, updated, unchanged = connection.execute(_COUNT, parameters).one()
    if inserted or updated:
        connection.execute(_UPSERT, parameters)
    connection.execute(_DELETE_ERRORS, parameters)
    connection.execute(_INSERT_ERRORS, parameters)
    return Counts(inserted=inserted, updated=updated, unchanged=unchanged, removed=removed)


def _stage(connection: Connection, account: str, contents: Sequence[Content]) -> None:
    """Fill the temporary tables, made at their first use: an idle run has no need of them."""
    connection.info[HAS_STAGED] = True
    for table in (STAGED, STAGED_ERRORS):
        connection.execute(CreateTable(table, if_not_exists=True))
        connection.execute(delete(table))
    _copy_contents(connection, account, contents, STAGED, STAGED_ERRORS)


def _stored() -> Any:
    """Those of the imports that have stored rows; of each, one row is looked up, however many there are."""
    wanted = func.unnest(IDS).table_valued("import_id").render_derived("wanted")

    def with_a_row(table: Table) -> Any:
        one = select(table.c.import_id).where(table.c.account == ACCOUNT, table.c.import_id == wanted.c.import_id)
        return select(wanted.c.import_id).join(one.limit(1).lateral(), true())

    return with_a_row(import_records).union(with_a_row(import_record_errors))


def _of_batch(table: FromClause) -> Any:
    return and_(table.c.account == ACCOUNT, table.c.import_id == func.any(IDS))


def _key(table: Any) -> Any:
    return tuple_(table.c.import_id, table.c.record_key)


def _differs(left: Any, right: Any, names: Sequence[str]) -> Any:
    return tuple_(*(left.c[name] for name in names)).is_distinct_from(tuple_(*(right.c[name] for name in names)))


def _flag_errors() -> Any:
    """Staged records whose errors are not the stored ones are flagged."""
    stored = select(import_record_errors).where(_of_batch(import_record_errors)).subquery("stored")
    staged = STAGED_ERRORS
    same = and_(
        stored.c.import_id == staged.c.import_id,
        stored.c.record_key == staged.c.record_key,
        stored.c.error_no == staged.c.error_no,
    )
    differing = (
        select(
            func.coalesce(stored.c.import_id, staged.c.import_id).label("import_id"),
            func.coalesce(stored.c.record_key, staged.c.record_key).label("record_key"),
        )
        .select_from(stored.join(staged, same, full=True))
        .where(or_(stored.c.account.is_(None), staged.c.account.is_(None), _differs(stored, staged, ERROR_CELLS)))
        .subquery("differing")
    )
    return update(STAGED).values(errors_differ=True).where(_key(STAGED) == _key(differing))


def _joined() -> Any:
    """Staged records with their stored partners."""
    partner = and_(_of_batch(import_records), _key(import_records) == _key(STAGED))
    return STAGED.outerjoin(import_records, partner)


IS_NEW = import_records.c.account.is_(None)
IS_CHANGED = and_(
    import_records.c.account.is_not(None),
    or_(STAGED.c.errors_differ, _differs(import_records, STAGED, RECORD_CELLS)),
)


def _count() -> Any:
    counted = (func.count().filter(which) for which in (IS_NEW, IS_CHANGED, ~or_(IS_NEW, IS_CHANGED)))
    return select(*counted).select_from(_joined())


def _upsert() -> Insert:
    rows = select(*(STAGED.c[name] for name in RECORD_COLUMNS)).select_from(_joined()).where(or_(IS_NEW, IS_CHANGED))
    statement = upsert_into(import_records).from_select(RECORD_COLUMNS, rows, include_defaults=False)
    written: Mapping[str, Any] = {name: statement.excluded[name] for name in (*RECORD_CELLS, "last_changed_at")}
    return statement.on_conflict_do_update(index_elements=list(import_records.primary_key.columns), set_=written)


def _delete_gone(stored: Table) -> Delete:
    """A join finds them: NOT IN would compare each row with each other as soon as the rows outgrow work_mem."""
    there = stored.alias("there")
    joined = there.outerjoin(STAGED, _key(there) == _key(STAGED))
    gone = select(*_key(there).clauses).select_from(joined).where(_of_batch(there), STAGED.c.import_id.is_(None))
    return delete(stored).where(_of_batch(stored), _key(stored).in_(gone))


def _delete_errors() -> Delete:
    errors = import_record_errors
    differing = select(STAGED.c.import_id, STAGED.c.record_key).where(STAGED.c.errors_differ)
    return delete(errors).where(_of_batch(errors), _key(errors).in_(differing))


def _insert_errors() -> Insert:
    flagged = and_(_key(STAGED) == _key(STAGED_ERRORS), STAGED.c.errors_differ)
    rows = select(*(STAGED_ERRORS.c[name] for name in ERROR_COLUMNS)).select_from(STAGED_ERRORS.join(STAGED, flagged))
    return insert(import_record_errors).from_select(ERROR_COLUMNS, rows, include_defaults=False)


def _differing(stored: Table, incoming: FromClause, keys: Sequence[str], cells: Sequence[str]) -> Any:
    """The imports of the batch that have not exactly the incoming rows."""
    there = select(stored).where(_of_batch(stored)).subquery("there")
    both = there.join(incoming, and_(*(there.c[name] == incoming.c[name] for name in keys)), full=True)
    alone = or_(there.c.account.is_(None), incoming.c.import_id.is_(None))
    found = func.coalesce(there.c.import_id, incoming.c.import_id)
    return select(found).distinct().select_from(both).where(or_(alone, _differs(there, incoming, cells)))


def _differing_json(stored: Table, keys: Sequence[str], cells: Sequence[str]) -> Any:
    return _differing(stored, incoming_rows(stored, (*keys, *cells)), keys, cells)


_KEYS, _ERROR_KEYS = ("import_id", "record_key"), ("import_id", "record_key", "error_no")
_STORED = _stored()
_DIFFERING = _differing_json(import_records, _KEYS, RECORD_CELLS)
_DIFFERING_ERRORS = _differing_json(import_record_errors, _ERROR_KEYS, ERROR_CELLS)
_DIFFERING_STAGED = _differing(import_records, STAGED, _KEYS, RECORD_CELLS)
_DIFFERING_STAGED_ERRORS = _differing(import_record_errors, STAGED_ERRORS, _ERROR_KEYS, ERROR_CELLS)
_FLAG_ERRORS = _flag_errors()
_COUNT = _count()
_UPSERT = _upsert()
_DELETE_GONE = _delete_gone(import_records)
_DELETE_ERRORS_OF_GONE = _delete_gone(import_record_errors)
_DELETE_ERRORS = _delete_errors()
_INSERT_ERRORS = _insert_errors()
