"""JSON values into column values and back; None says that the column cannot read the value.

Values are what `jsontext.parse_json` makes: str, int, Decimal, bool, None, list and dict.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from etl.jsontext import json_text
from etl.rows import MAX_KEY_BYTES, MAX_ROW_BYTES, TOO_LARGE, Rejected

T = TypeVar("T")


_NUMBERS = (int, Decimal)
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_MIN_BIGINT, _MAX_BIGINT = -(2**63), 2**63 - 1


class Column(NamedTuple, Generic[T]):
    """What reads a column's value, and the keys under which it may stand, best first."""

    parse: Callable[[object], T | None]
    keys: tuple[str, ...]


def take_all(present: dict[str, Any], columns: Mapping[str, Column[Any]]) -> dict[str, Any]:
    """Return each column's value, taken out of `present`; what no column could read is still in it."""
    return {name: take(present, column) for name, column in columns.items()}


def take(present: dict[str, Any], column: Column[T]) -> T | None:
    """Return the first value that the column can read, taken out of `present`, as are the nulls before it."""
    for key in column.keys:
        value = take_one(present, key, column.parse)
        if value is not None:
            return value
    return None


def take_one(present: dict[str, Any], key: str, parse: Callable[[object], T | None]) -> T | None:
    """Return the value under `key`, taken out of `present` if it is null or can be read."""
    value = present.pop(key, None)
    if value is None:
        return None
    parsed = parse(value)
    if parsed is None:
        present[key] = value
    return parsed


def parse_text(value: object) -> str | None:
    """Parse text as it is, a number as its decimal text."""
    if isinstance(value, str):
        return value
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return str(value)
    return None


def parse_integer(value: object) -> int | None:
    """Parse a whole number of 64 bits, from a number or from text that holds digits alone."""
    if isinstance(value, str):
        value = int(value) if _INTEGER.fullmatch(value) else None
    if type(value) is not int and not isinstance(value, Decimal):
        return None
    # The range comes first: 1e131071 is a whole number, too, and dear to write out.
    if not _MIN_BIGINT <= value <= _MAX_BIGINT:
        return None
    return value if type(value) is int else int(value) if int(value) == value else None


def parse_boolean(value: object) -> bool | None:
    """Parse true or false, also as text in any case."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def unkeyed(item: object, key: str) -> str | None:
    """Return why `item` has no text under `key` to be known by; None if it has."""
    if not isinstance(item, dict):
        return "it is no object"
    if item.get(key) is None:
        return f"its {key} is null" if key in item else f"it has no {key}"
    return f"its {key} is neither text nor a number" if parse_text(item[key]) is None else None


def too_large(resource: str, item: object, *rows: bytes) -> Rejected | None:
    """Return the rejected item if one of its rows is longer than a row can be."""
    if max(map(len, rows)) <= MAX_ROW_BYTES:
        return None
    return Rejected(resource, None, json_text(item), TOO_LARGE)


def present_keys(item: Any, *, key: str) -> dict[str, Any] | str:
    """Return what the item says, or why no row can be keyed by it."""
    problem = unkeyed(item, key)
    if problem:
        return problem
    size = len(str(item[key]).encode())
    if size == 0:
        return f"its {key} is empty"
    if size > MAX_KEY_BYTES:
        return f"its {key} has {size} bytes, more than the {MAX_KEY_BYTES} that a key can hold"
    return {name: value for name, value in item.items() if value is not None and name != "_links"}
