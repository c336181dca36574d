"""A bulk import as the source sends it into its row; pure."""

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import ImportRow, Rejected
from etl.transform.columns import Column, parse_integer, parse_text, present_keys, take_all

TERMINAL = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "SUCCESSFUL", "CANCELED", "FAILED"})
"""`SUCCESSFUL` is the OpenAPI bundle's word for the reference pages' `COMPLETED`."""

_IMPORT = (
    Column(parse_text, ("id",)),
    Column(parse_text, ("filename",)),
    Column(parse_text, ("type",)),
    Column(parse_text, ("status",)),
    Column(parse_integer, ("total_records",)),
    Column(parse_integer, ("completed_records",)),
    Column(parse_integer, ("failed_records",)),
    Column(parse_text, ("created_by",)),
    Column(parse_instant, ("created_at",)),
    Column(parse_text, ("updated_by",)),
    Column(parse_instant, ("updated_at",)),
    Column(parse_text, ("canceled_by",)),
    Column(parse_instant, ("canceled_at",)),
)


def is_terminal(status: str | None) -> bool:
    """True if an import of this status is known to change no more; an unknown word is no proof of it."""
    return status in TERMINAL


def is_cut_short(status: str | None) -> bool:
    """True if the import ended before its time, so that some of its records may never have come to be."""
    return status in {"CANCELED", "FAILED"}


def import_row(item: object) -> ImportRow | Rejected:
    """The row of a bulk import, or why it cannot be keyed."""
    present = present_keys(item, key="id")
    if isinstance(present, str):
        return Rejected("imports", None, json_text(item), present)
    return ImportRow._make([*take_all(present, _IMPORT), present])
