"""A user as the source sends it into its row; pure.

As it arrives, among others on a page; every key is optional, and there may be more:

    {"id": "5f1c", "email": "ada@example.com", "name": "Ada Lovelace", "active": true, "gender": "female",
     "extension": 2001, "external_phone_number": "+12025550123", "created_at": "2026-01-02T03:04:05Z",
     "_links": {"self": {"href": "…/users/5f1c"}}}
"""

from typing import Any, Literal

from etl.instants import parse_instant
from etl.jsontext import json_text
from etl.rows import Rejected, UserRow
from etl.transform.columns import Column, parse_boolean, parse_text, present_keys, take_all

Kept = Literal["names", "keep"]

_USER: dict[str, Column[Any]] = {
    "user_id": Column(parse_text, ("id",)),
    "name": Column(parse_text, ("name",)),
    "email": Column(parse_text, ("email",)),
    "active": Column(parse_boolean, ("active",)),
    "gender": Column(parse_text, ("gender",)),
    "extension": Column(parse_text, ("extension",)),
    "external_phone_number": Column(parse_text, ("external_phone_number",)),
    "created_at": Column(parse_instant, ("created_at",)),
}
_NAMED = ("id", "name", "active")


def user_row(item: object, kept: Kept) -> UserRow | Rejected:
    """Return the row of a user, or why it cannot be keyed; of `names` nothing else goes any further."""
    said = _named(item) if kept == "names" else item
    present = present_keys(said, key="id")
    if isinstance(present, str):
        return Rejected("users", None, json_text(said), present)
    return UserRow(**take_all(present, _USER), extra={} if kept == "names" else present)


def _named(item: object) -> dict[str, Any] | None:
    """Return what tells who somebody is; an object or a list in its place may hold anything."""
    if not isinstance(item, dict):
        return None
    return {key: item[key] for key in _NAMED if key in item and not isinstance(item[key], dict | list)}
