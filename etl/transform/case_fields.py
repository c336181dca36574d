"""A case field as the source sends it into its row, and its dictionary into rows; pure.

As it arrives, in a bare array; the dictionary's nodes are shown in `etl.transform.trees`:

    {"id": "7", "key": "dependent_field9", "name": "Region", "type": "002", "description": "Where the caller is",
     "dict_list": [{"key": "A", "lable": "Europe", "children": null}], "required": false, "active": true,
     "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z"}
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import CaseFieldRow, EntryRow, Rejected
from etl.transform.columns import Column, parse_boolean, parse_text, present_keys, take_all
from etl.transform.trees import entries

_CASE_FIELD: dict[str, Column[Any]] = {
    "field_key": Column(parse_text, ("key",)),
    "field_id": Column(parse_text, ("id",)),
    "name": Column(parse_text, ("name",)),
    "type": Column(parse_text, ("type",)),
    "description": Column(parse_text, ("description",)),
    "required": Column(parse_boolean, ("required",)),
    "active": Column(parse_boolean, ("active",)),
    "created_at": Column(parse_instant, ("created_at", "create_at")),
    "updated_at": Column(parse_instant, ("updated_at", "update_at")),
}
"""The reference page says `created_at`, the OpenAPI bundle `create_at`."""


class CaseField(NamedTuple):
    """A case field with its dictionary, whose nodes become rows only as they are asked for: there may be many.

    `dict_list_readable` is False if the dictionary was no list: its entries are then unknown, not none.
    """

    row: CaseFieldRow
    dict_list: list[Any]
    dict_list_readable: bool

    def entries(self) -> Iterator[EntryRow | Rejected]:
        """Return the nodes of the dictionary."""
        return entries(self.row.field_key, self.dict_list)


def case_field(item: object) -> CaseField | Rejected:
    """Return a case field with its dictionary, or why the field cannot be keyed."""
    present = present_keys(item, key="key")
    if isinstance(present, str):
        return Rejected("case_fields", None, json_text(item), present)
    readable = isinstance(present.get("dict_list", []), list)
    dict_list = present.pop("dict_list", []) if readable else []
    row = CaseFieldRow(**take_all(present, _CASE_FIELD), extra=present)
    return CaseField(row, dict_list, readable)
