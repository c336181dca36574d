"""What each kind of column reads, and what it leaves alone."""

import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from etl.instants import parse_instant
from etl.jsontext import json_bytes
from etl.transform.columns import parse_boolean, parse_integer, parse_text

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("Ada", "Ada"),
        ("", ""),
        ("007", "007"),
        ("7", 7),
        ("-1180591620717411303424", -(2**70)),
        ("1.50", Decimal("1.50")),
        (None, True),
        (None, None),
        (None, ["Ada"]),
        (None, {"name": "Ada"}),
    ],
)
def test_a_text_column_reads_text_and_numbers(expected: str | None, value: object) -> None:
    """Numbers become their decimal text, with every digit."""
    assert expected == parse_text(value)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (12, 12),
        (12, "12"),
        (12, Decimal("12.0")),
        (100, Decimal("1E+2")),
        (7, "007"),
        (-3, "-3"),
        (2**63 - 1, "9223372036854775807"),
        (-(2**63), -(2**63)),
        (None, 2**63),
        (None, -(2**63) - 1),
        (None, "9223372036854775808"),
        (None, "9" * 5000),
        (None, Decimal("1E+131071")),
        (None, Decimal("12.5")),
        (None, Decimal("1E-16383")),
        (None, " 12 "),
        (None, "12.0"),
        (None, "+12"),
        (None, "1_000"),
        (None, "\uff11\uff12"),
        (None, ""),
        (None, True),
        (None, [12]),
    ],
)
def test_a_number_column_reads_whole_numbers_of_64_bits(expected: int | None, value: object) -> None:
    """Text counts if it is digits alone; a boolean is no number."""
    assert expected == parse_integer(value)
    assert type(expected) is type(parse_integer(value))


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (True, True),
        (False, False),
        (True, "true"),
        (False, "FALSE"),
        (None, "yes"),
        (None, ""),
        (None, 1),
        (None, 0),
        (None, [True]),
    ],
)
def test_a_boolean_column_reads_true_and_false(expected: bool | None, value: object) -> None:  # noqa: FBT001
    """1 and 0 are not guessed to be booleans."""
    assert expected is parse_boolean(value)


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (NOON, "2024-01-02T12:00:00Z"),
        (NOON, "2024-01-02t12:00:00z"),
        (NOON, "2024-01-02T12:00Z"),
        (NOON, "2024-01-02T12:00:00"),
        (NOON, "2024-01-02 12:00:00"),
        (NOON, "2024-01-02 12:00:00 UTC"),
        (NOON, "2024-01-02 12:00:00 utc"),
        (NOON, "2024-01-02T14:00:00+02:00"),
        (NOON, "2024-01-02 14:00:00 +0200"),
        (NOON, "2024-01-02T06:30:00-05:30"),
        (NOON, "2024-01-02T10:00:00-02"),
        (NOON, "2024-01-02T12:00:00-00:00"),
        (NOON.replace(microsecond=500_000), "2024-01-02T12:00:00.5Z"),
        (NOON.replace(microsecond=500_000), "2024-01-02T12:00:00,5Z"),
        (NOON.replace(microsecond=123_456), "2024-01-02T12:00:00.123456Z"),
        (NOON.replace(microsecond=123_456), "2024-01-02T12:00:00.123456999Z"),
        (NOON.replace(microsecond=999_999), f"2024-01-02T12:00:00.{'9' * 500}+00:00"),
        (NOON.replace(hour=0), "2024-01-02"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59Z"),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29"),
    ],
)
def test_an_instant_column_reads_every_form_seen(expected: datetime, value: str) -> None:
    """No zone means UTC, a bare day its midnight; digits beyond the sixth are cut, not rounded."""
    assert expected == parse_instant(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 2024-01-02T12:00:00Z",
        "2024-01-02T12:00:00Z\n",
        "2024-01-02T12:00:00  UTC",
        "2024-01-02T12",
        "2024-01-02Z",
        "2024-1-2",
        "20240102",
        "2024-W01-2",
        "02/01/2024",
        "2023-02-29",
        "2024-01-02T24:00:00Z",
        "2024-01-02T12:60:00Z",
        "2016-12-31T23:59:60Z",
        "2024-01-02T12:00:00+24:00",
        "2024-01-02T12:00:00 CET",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "\uff12\uff10\uff12\uff14-01-02",
        "yesterday",
        1704196800,
        Decimal("1704196800.5"),
        True,
        None,
        ["2024-01-02"],
    ],
)
def test_an_instant_column_leaves_what_is_no_instant(value: object) -> None:
    """What no calendar has, what UTC cannot hold and what would be a guess is not read."""
    assert parse_instant(value) is None


def test_an_instant_is_in_utc() -> None:
    """The offset of the source is gone, the instant is the same."""
    instant = parse_instant("2024-01-02T14:00:00+02:00")

    assert instant is not None
    assert instant.tzinfo is UTC
    assert datetime(2024, 1, 2, 14, tzinfo=timezone(timedelta(hours=2))) == instant


def test_json_keeps_every_digit() -> None:
    """Numbers leave as they came, whatever a float could hold."""
    expected = b"[0.10000000000000000000000001,1180591620717411303424,1E+400]"

    assert expected == json_bytes([Decimal("0.10000000000000000000000001"), 2**70, Decimal("1E+400")])


def test_json_that_could_be_read_can_be_written() -> None:
    """Nesting up to the recursion limit is written even by a caller who is deep in calls of his own."""
    depth = sys.getrecursionlimit() - 100
    body = b"[" * depth + b"]" * depth
    value = msgspec.json.decode(body)

    def deeper(calls: int) -> bytes:
        return deeper(calls - 1) if calls else json_bytes(value)

    assert body == deeper(200)
