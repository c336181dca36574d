"""What items say of themselves: what they are told apart by, and whose they are (pure)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from etl.extract import hal
from etl.jsontext import json_bytes, parse_json


class Owners(NamedTuple):
    """Ids of imports, as text: those that a page names for itself, and those that its items name."""

    page: set[str]
    items: set[str]


class _Named(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"null")


class _Owned(msgspec.Struct, rename={"import_camel": "importId", "bulk_import_camel": "bulkImportId"}):
    import_id: Any = None
    bulk_import_id: Any = None
    import_camel: Any = None
    bulk_import_camel: Any = None


class _Wrapped(msgspec.Struct):
    embedded: msgspec.Raw = msgspec.field(name="_embedded", default=msgspec.Raw(b"null"))


_named = msgspec.json.Decoder(_Named)
_owned = msgspec.json.Decoder(_Owned)
_wrapped = msgspec.json.Decoder(_Wrapped)
_UNREADABLE = (ValueError, RecursionError)


def marks(body: bytes, *, prefer: Sequence[str] = ()) -> set[int]:
    """Return what the items of a page are told apart by: their ids, else all that they say."""
    return {_mark(_text(item)) for item in hal.items(hal.head(body), prefer=prefer) or ()}


def owners(body: bytes, *, prefer: Sequence[str] = ()) -> Owners:
    """Return the imports that a page of records says it is of, and those that its items say they are of."""
    if b"mport" not in body or (b'mport_id"' not in body and b'mportId"' not in body):
        return Owners(set(), set())  # as far as anybody knows; and looking closer costs as much as the head
    head = hal.head(body)
    found = hal.items(head, prefer=prefer) or []
    of_items = {owner for item in found for owner in _owners(_text(item))}
    if any(item is head for item in found):  # one item without a wrapper
        return Owners(set(), of_items)
    page = _plain(body)
    return Owners(_owners(page) | _owners(_wrapper(page)), of_items)


def _mark(item: bytes) -> int:
    try:
        name = bytes(_named.decode(item).id)
    except _UNREADABLE:  # it is no object
        name = b"null"
    return hash(item if name == b"null" else name)


def _owners(item: bytes) -> set[str]:
    try:
        said = msgspec.structs.astuple(_owned.decode(item))
    except _UNREADABLE:  # it is no object
        return set()
    return {str(owner) for owner in said if isinstance(owner, str | int) and not isinstance(owner, bool)}


def _wrapper(page: bytes) -> bytes:
    try:
        return bytes(_wrapped.decode(page).embedded)
    except _UNREADABLE:  # it is no object
        return b"null"


def _text(item: Any) -> bytes:
    return bytes(item) if isinstance(item, msgspec.Raw) else json_bytes(item)


def _plain(body: bytes) -> bytes:
    """Return the body as a text that not only the patient parser can read."""
    try:
        _owned.decode(body)
    except _UNREADABLE:
        return json_bytes(parse_json(body))
    return body
