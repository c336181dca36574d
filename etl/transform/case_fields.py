"""A case field as the source sends it into its row, and its dictionary into rows; pure."""

from typing import NamedTuple

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import CaseFieldRow, EntryRow, Rejected
from etl.transform.columns import Column, parse_boolean, parse_text, present_keys, take_all
from etl.transform.trees import entries

_CASE_FIELD = (
    Column(parse_text, ("key",)),
    Column(parse_text, ("id",)),
    Column(parse_text, ("name",)),
    Column(parse_text, ("type",)),
    Column(parse_text, ("description",)),
    Column(parse_boolean, ("required",)),
    Column(parse_boolean, ("active",)),
    Column(parse_instant, ("created_at", "create_at")),
    Column(parse_instant, ("updated_at", "update_at")),
)


class CaseField(NamedTuple):
    """A case field with its dictionary.

    `dict_list_readable` is False if the dictionary was no list: its entries are then unknown, not none.
    """

    row: CaseFieldRow
    entries: list[EntryRow]
    rejected: list[Rejected]
    dict_list_readable: bool


def case_field(item: object) -> CaseField | Rejected:
    """A case field and the nodes of its dictionary, or why the field cannot be keyed."""
    present = present_keys(item, key="key")
    if isinstance(present, str):
        return Rejected("case_fields", None, json_text(item), present)
    dict_list = present.get("dict_list", [])
    readable = isinstance(dict_list, list)
    nodes = present.pop("dict_list", []) if readable else []
    row = CaseFieldRow._make([*take_all(present, _CASE_FIELD), present])
    found = list(entries(row.field_key, nodes))
    rows = [node for node in found if isinstance(node, EntryRow)]
    return CaseField(row, rows, [node for node in found if isinstance(node, Rejected)], readable)
