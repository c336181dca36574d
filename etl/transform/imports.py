"""A bulk import as the source sends it into its row; pure.

As it arrives, among others on a page; every key is optional, and there may be more:

    {"id": "0ae6bbeb", "filename": "agents.csv", "type": "UPDATE_USERS", "status": "COMPLETED_WITH_ERRORS",
     "total_records": 10, "completed_records": 9, "failed_records": 1,
     "created_by": "5f1c", "created_at": "2026-03-02T08:00:00Z",
     "updated_by": "5f1c", "updated_at": "2026-03-02T08:00:41Z",
     "canceled_by": null, "canceled_at": null, "export_criteria": null,
     "_links": {"self": {"href": "…"}, "records": {"href": "…/bulk-imports/users/0ae6bbeb/records"}}}
"""

from typing import Any

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import ImportRow, Rejected
from etl.transform.columns import Column, parse_integer, parse_text, present_keys, take_all

TERMINAL = frozenset({"COMPLETED", "COMPLETED_WITH_ERRORS", "SUCCESSFUL", "CANCELED", "FAILED"})
"""`SUCCESSFUL` is the OpenAPI bundle's word for the reference pages' `COMPLETED`."""

_IMPORT: dict[str, Column[Any]] = {
    "import_id": Column(parse_text, ("id",)),
    "filename": Column(parse_text, ("filename",)),
    "type": Column(parse_text, ("type",)),
    "status": Column(parse_text, ("status",)),
    "total_records": Column(parse_integer, ("total_records",)),
    "completed_records": Column(parse_integer, ("completed_records",)),
    "failed_records": Column(parse_integer, ("failed_records",)),
    "created_by": Column(parse_text, ("created_by",)),
    "created_at": Column(parse_instant, ("created_at",)),
    "updated_by": Column(parse_text, ("updated_by",)),
    "updated_at": Column(parse_instant, ("updated_at",)),
    "canceled_by": Column(parse_text, ("canceled_by",)),
    "canceled_at": Column(parse_instant, ("canceled_at",)),
}


def is_terminal(status: str | None) -> bool:
    """Tell whether an import of this status is known to change no more; an unknown word is no proof of it."""
    return status in TERMINAL


def is_cut_short(status: str | None) -> bool:
    """Tell whether the import ended before its time, so that some of its records may never have come to be."""
    return status in {"CANCELED", "FAILED"}


def import_row(item: object) -> ImportRow | Rejected:
    """Return the row of a bulk import, or why it cannot be keyed."""
    present = present_keys(item, key="id")
    if isinstance(present, str):
        return Rejected("imports", None, json_text(item), present)
    return ImportRow(**take_all(present, _IMPORT), extra=present)
