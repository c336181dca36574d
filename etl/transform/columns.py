"""JSON values into column values and back; None says that the column cannot read the value.

Values are what `hal.parse_json` makes: str, int, Decimal, bool, None, list and dict.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")

_encode = msgspec.json.Encoder(decimal_format="number").encode

_NUMBERS = (int, Decimal)
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_MIN_BIGINT, _MAX_BIGINT = -(2**63), 2**63 - 1

_TIME = r"(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d+)?)?"
_ZONE = r"Z|UTC|[+-]\d\d(?::?\d\d)?"
_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]({_TIME})(?: ?({_ZONE}))?)?", re.ASCII | re.IGNORECASE)


class Column(NamedTuple, Generic[T]):
    """What reads a column's value, and the keys under which it may stand, best first."""

    parse: Callable[[object], T | None]
    keys: tuple[str, ...]


def take_all(present: dict[str, Any], columns: tuple[Column[Any], ...]) -> list[Any]:
    """The columns' values, taken out of `present`; what no column could read is still in it."""
    return [take(present, column) for column in columns]


def take(present: dict[str, Any], column: Column[T]) -> T | None:
    """The first value that the column can read, taken out of `present`, as are the nulls before it."""
    for key in column.keys:
        value = take_one(present, key, column.parse)
        if value is not None:
            return value
    return None


def take_one(present: dict[str, Any], key: str, parse: Callable[[object], T | None]) -> T | None:
    """The value under `key`, taken out of `present` if it is null or can be read."""
    value = present.pop(key, None)
    if value is None:
        return None
    parsed = parse(value)
    if parsed is None:
        present[key] = value
    return parsed


def parse_text(value: object) -> str | None:
    """Text as it is, a number as its decimal text."""
    if isinstance(value, str):
        return value
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return str(value)
    return None


def parse_integer(value: object) -> int | None:
    """A whole number of 64 bits, from a number or from text that holds digits alone."""
    if isinstance(value, str):
        value = int(value) if _INTEGER.fullmatch(value) else None
    if type(value) is not int and not isinstance(value, Decimal):
        return None
    # The range comes first: 1e131071 is a whole number, too, and dear to write out.
    if not _MIN_BIGINT <= value <= _MAX_BIGINT:
        return None
    return value if type(value) is int else int(value) if int(value) == value else None


def parse_boolean(value: object) -> bool | None:
    """True or false, also as text in any case."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def parse_instant(value: object) -> datetime | None:
    """An instant in UTC, cut to microseconds, from RFC 3339 or its looser relatives.

    No zone means UTC, and a bare day its midnight; numbers are not guessed to be epochs.
    """
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, time, zone = match.groups()
    offset = zone if zone and zone[0] in "+-" else "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{time or '00:00'}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def unkeyed(item: object, key: str) -> str | None:
    """Why `item` has no text under `key` to be known by; None if it has."""
    if not isinstance(item, dict):
        return "it is no object"
    if item.get(key) is None:
        return f"its {key} is null" if key in item else f"it has no {key}"
    return f"its {key} is neither text nor a number" if parse_text(item[key]) is None else None


def json_bytes(value: object) -> bytes:
    """The value as JSON, numbers with every digit they came with."""
    try:
        return _encode(value)
    except RecursionError:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a MiB for what hardly ever happens

        # The recursion limit counts the caller's frames, too. A fresh thread has nearly none of them,
        # so what could be parsed can be written.
        with ThreadPoolExecutor(1) as fresh:
            return fresh.submit(_encode, value).result()


def json_text(value: object) -> str:
    """The same as text."""
    return json_bytes(value).decode()
