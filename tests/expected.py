"""What a warehouse should hold, worked out from what a sandbox serves by other means than the product's."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from etl.sandbox import World
from tests.account import Account

Row = dict[str, Any]

LIVE_IMPORTS = 'SELECT * FROM talkdesk.imports WHERE expired_at IS NULL ORDER BY import_id COLLATE "C"'
RECORDS_OF_LIVE_IMPORTS = """
    SELECT r.* FROM talkdesk.import_records AS r JOIN talkdesk.imports AS i USING (account, import_id)
    WHERE i.expired_at IS NULL ORDER BY import_id COLLATE "C", position
"""
THEIR_ERRORS = """
    SELECT e.* FROM talkdesk.import_record_errors AS e
    JOIN talkdesk.import_records USING (account, import_id, record_key)
    JOIN talkdesk.imports AS i USING (account, import_id)
    WHERE i.expired_at IS NULL ORDER BY import_id COLLATE "C", position, error_no
"""
LIVE_FIELDS = 'SELECT * FROM talkdesk.case_fields WHERE removed_at IS NULL ORDER BY field_key COLLATE "C"'
LIVE_ENTRIES = """
    SELECT * FROM talkdesk.case_field_entries WHERE removed_at IS NULL ORDER BY field_key COLLATE "C", path COLLATE "C"
"""

IMPORT_TEXTS = ("filename", "type", "status", "created_by", "updated_by", "canceled_by")
IMPORT_NUMBERS = ("total_records", "completed_records", "failed_records")
IMPORT_INSTANTS = ("created_at", "updated_at", "canceled_at")
FIELD_COLUMNS = ("name", "type", "description", "required", "active")


def imports(world: World) -> list[Row]:
    """One row per listed import, but for our own clock."""
    return sorted((_import(one.item) for one in world.imports()), key=lambda row: str(row["import_id"]))


def _import(item: Row) -> Row:
    plain = {name: item.get(name) for name in (*IMPORT_TEXTS, *IMPORT_NUMBERS)}
    instants = {name: item.get(name) and datetime.fromisoformat(item[name]) for name in IMPORT_INSTANTS}
    known = {"id", *plain, *instants}
    extra = {name: value for name, value in item.items() if name not in known and value is not None}
    return {"import_id": item["id"], **plain, **instants, "extra": extra}


def records(world: World) -> list[Row]:
    """One row per record of the imports that have a link to theirs, in the order in which they are served."""
    return [
        {
            "import_id": one.id,
            "record_key": f"id:{record['id']}",
            "record_id": record["id"],
            "line": record["line"],
            "position": position,
            "status": record["status"],
            "data": record["data"],
        }
        for one, position, record in _served(world)
    ]


def errors(world: World) -> list[Row]:
    """One row per error and field that it names."""
    return [
        {
            "import_id": one.id,
            "record_key": f"id:{record['id']}",
            "error_no": number,
            "code": error["code"],
            "message": error["message"],
            "description": error["description"],
            "field": named.get("name"),
            "field_description": named.get("description"),
            "extra": {},
        }
        for one, _, record in _served(world)
        for number, (error, named) in enumerate(_named(record))
    ]


def _served(world: World) -> Iterator[tuple[Any, int, Row]]:
    for one in sorted(world.imports(), key=lambda one: one.id):
        if one.item["type"] != "EXPORT_USERS":
            for position, record in enumerate(one.records):
                yield one, position, record


def _named(record: Row) -> Iterator[tuple[Row, Row]]:
    for error in record.get("errors", []):
        for named in error.get("fields") or [{}]:
            yield error, named


def case_fields(world: World) -> list[Row]:
    """One row per field."""
    found = [
        {
            "field_key": field["key"],
            "field_id": field["id"],
            **{name: field.get(name) for name in FIELD_COLUMNS},
            "created_at": datetime.fromisoformat(field["created_at"]),
            "updated_at": datetime.fromisoformat(field["updated_at"]),
            "extra": {},
        }
        for field in world.case_fields()
    ]
    return sorted(found, key=lambda row: str(row["field_key"]))


def entries(world: World) -> list[Row]:
    """One row per node of a field's options; keys of siblings are distinct in the sandbox."""
    found = [
        {"field_key": field["key"], **entry}
        for field in world.case_fields()
        for entry in _below(field.get("dict_list"), (), ())
    ]
    return sorted(found, key=lambda row: (row["field_key"], row["path"]))


def _below(nodes: list[Row] | None, path: Sequence[str], labels: Sequence[str | None]) -> Iterator[Row]:
    for position, node in enumerate(nodes or []):
        label = node.get("lable", node.get("value"))
        own_path, own_labels = [*path, node["key"]], [*labels, label]
        yield {
            "key": node["key"],
            "label": label,
            "path": own_path,
            "labels": own_labels,
            "depth": len(own_path),
            "position": position,
            "is_leaf": not node.get("children"),
            "extra": {},
        }
        yield from _below(node.get("children"), own_path, own_labels)


def require_level(account: Account) -> None:
    """The warehouse holds what the source serves, column by column and row by row; it serves some of everything."""
    for statement, expect in (
        (LIVE_IMPORTS, imports),
        (RECORDS_OF_LIVE_IMPORTS, records),
        (THEIR_ERRORS, errors),
        (LIVE_FIELDS, case_fields),
        (LIVE_ENTRIES, entries),
    ):
        rows = expect(account.world)
        assert rows, statement
        assert rows == [{name: row[name] for name in rows[0]} for row in account.rows(statement)]
