"""Laws of the loader: what was loaded last is what stands there, and loading it again writes nothing."""

from collections.abc import Sequence
from datetime import UTC
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select

from etl import load as loader
from etl.jsontext import json_bytes
from etl.load import CASE_FIELDS, Content
from etl.packing import pack_error, pack_record
from etl.rows import CaseFieldRow, RecordErrorRow, RecordRow
from etl.warehouse import tables
from etl.warehouse.counts import Counts

ACCOUNT = "acme"

# Every example rolls back what it wrote, so they may share a connection.
several = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
extras = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans()), max_size=2)
fields = st.builds(
    CaseFieldRow,
    field_key=st.sampled_from("abc"),
    field_id=st.none() | texts,
    name=st.none() | texts,
    type=st.none() | texts,
    description=st.none() | texts,
    required=st.none() | st.booleans(),
    active=st.none() | st.booleans(),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    updated_at=st.none(),
    extra=extras,
)
answers = st.lists(st.lists(fields, max_size=4), min_size=1, max_size=4)


def by_key(answer: Sequence[CaseFieldRow]) -> dict[tuple[str, ...], CaseFieldRow]:
    return {(field.field_key,): field for field in answer}


def load(connection: Connection, answer: Sequence[CaseFieldRow]) -> Counts:
    rows = {key: json_bytes(field._asdict()) for key, field in by_key(answer).items()}
    counts = loader.upsert(connection, CASE_FIELDS, ACCOUNT, rows).counts
    gone = loader.missing(connection, CASE_FIELDS, ACCOUNT, rows)
    counts.removed = loader.mark_removed(connection, CASE_FIELDS, ACCOUNT, gone)
    return counts


def stored(connection: Connection) -> set[tuple[Any, ...]]:
    table = tables.case_fields
    columns = [table.c[name] for name in CaseFieldRow._fields]
    found = connection.execute(select(*columns).where(table.c.removed_at.is_(None)))
    return {comparable(row) for row in found}


def comparable(row: Sequence[Any]) -> tuple[Any, ...]:
    return (*row[:-1], json_bytes(dict(sorted(row[-1].items()))))


@given(answers)
@several
def test_the_warehouse_is_level_with_the_last_answer(
    connection: Connection, sequence: list[list[CaseFieldRow]]
) -> None:
    """After any sequence of answers the live rows are those of the last one."""
    with connection.begin_nested() as transaction:
        for answer in sequence:
            load(connection, answer)

        assert stored(connection) == {comparable(field) for field in by_key(sequence[-1]).values()}
        transaction.rollback()


@given(answers)
@several
def test_loading_twice_is_loading_once(connection: Connection, sequence: list[list[CaseFieldRow]]) -> None:
    """The same answer again changes no row and no version."""
    with connection.begin_nested() as transaction:
        for answer in sequence:
            load(connection, answer)
        versions = connection.scalar(select(func.count()).select_from(tables.case_fields_versions))
        again = load(connection, sequence[-1])

        assert again == Counts(unchanged=len(by_key(sequence[-1])))
        assert connection.scalar(select(func.count()).select_from(tables.case_fields_versions)) == versions
        transaction.rollback()


@given(answers)
@several
def test_versions_are_a_history(connection: Connection, sequence: list[list[CaseFieldRow]]) -> None:
    """Versions of one thing never overlap, are never empty, and only what is there has a current one."""
    with connection.begin_nested() as transaction:
        for answer in sequence:
            load(connection, answer)
        v = tables.case_fields_versions
        history = connection.execute(
            select(v.c.field_key, v.c.valid_from, v.c.valid_to).order_by(v.c.field_key, v.c.valid_from)
        ).all()

        for (key, start, end), (next_key, next_start, _) in pairwise(history):
            assert key != next_key or (end is not None and start < end <= next_start)
        assert {row.field_key for row in history if row.valid_to is None} == {key for (key,) in by_key(sequence[-1])}
        transaction.rollback()


records = st.lists(
    st.tuples(
        st.none() | texts, st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | texts, extras, st.integers(0, 2)
    ),
    max_size=5,
)
loads = st.lists(st.dictionaries(st.sampled_from("xyz"), records, min_size=1, max_size=3), min_size=1, max_size=4)


def rows_of(drawn: Sequence[tuple[Any, ...]]) -> tuple[list[RecordRow], list[RecordErrorRow]]:
    rows, errors = list[RecordRow](), list[RecordErrorRow]()
    for position, (record_id, line, status, cells, failures) in enumerate(drawn):
        key = f"position:{position}"
        rows.append(RecordRow(key, record_id, line, position, status, json_bytes(cells)))
        errors += [
            RecordErrorRow(key, number, status, None, None, record_id, None, json_bytes(cells))
            for number in range(failures)
        ]
    return rows, errors


def content(import_id: str, drawn: Sequence[tuple[Any, ...]]) -> Content:
    rows, errors = rows_of(drawn)
    return Content(import_id, [*map(pack_record, rows)], [*map(pack_error, errors)], finished=True)


def stored_records(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table, names in (
        (tables.import_records, RecordRow._fields),
        (tables.import_record_errors, RecordErrorRow._fields),
    ):
        columns = [table.c.import_id, *(table.c[name] for name in names)]
        for row in connection.execute(select(*columns)):
            found.setdefault(row[0], []).append(comparable(row[1:]))
    return {import_id: sorted(rows, key=repr) for import_id, rows in found.items()}


def expected_records(last: dict[str, Sequence[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    found = {}
    for import_id, drawn in last.items():
        rows = [comparable((*row[:-1], msgspec.json.decode(row[-1]))) for some in rows_of(drawn) for row in some]
        if rows:
            found[import_id] = sorted(rows, key=repr)
    return found


@given(loads)
@several
def test_records_are_replaced_as_a_whole(connection: Connection, sequence: list[dict[str, Any]]) -> None:
    """Each import has exactly the records and errors that were loaded last, and loading them again changes nothing."""
    with connection.begin_nested() as transaction:
        for batch in sequence:
            counts = loader.replace_records(connection, ACCOUNT, [content(*item) for item in batch.items()]).counts
            assert counts.inserted + counts.updated + counts.unchanged == sum(map(len, batch.values()))
        again = loader.replace_records(connection, ACCOUNT, [content(*item) for item in sequence[-1].items()])

        assert again.counts == Counts(unchanged=sum(map(len, sequence[-1].values())))
        assert stored_records(connection) == expected_records({k: v for batch in sequence for k, v in batch.items()})
        transaction.rollback()


parts = st.lists(
    st.dictionaries(st.sampled_from("xyz"), st.tuples(records, st.booleans()), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


@given(parts)
@several
def test_imports_know_how_many_records_they_have(connection: Connection, sequence: list[dict[str, Any]]) -> None:
    """After any sequence of loads, also where an import was read in part and keeps what it had."""
    with connection.begin_nested() as transaction:
        connection.execute(insert(tables.imports), [{"account": ACCOUNT, "import_id": name} for name in "xyz"])
        for batch in sequence:
            contents = [content(name, drawn)._replace(whole=whole) for name, (drawn, whole) in batch.items()]
            loader.replace_records(connection, ACCOUNT, contents)
            records = tables.import_records
            counted = connection.execute(select(records.c.import_id, func.count()).group_by(records.c.import_id))
            known = connection.execute(select(tables.imports.c.import_id, tables.imports.c.records_loaded))
            assert {"x": 0, "y": 0, "z": 0} | dict(map(tuple, counted)) == dict(map(tuple, known))
        transaction.rollback()
