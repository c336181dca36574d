"""A small text never computes or fills memory out of proportion."""

import time
import tracemalloc
from collections.abc import Callable

import pytest

from etl import jsontext
from etl.errors import NotJson, SourceMalformed

MB = 1_000_000


def keys(*names: bytes) -> bytes:
    """An object of these keys."""
    return b"{" + b",".join(b'"' + name + b'":1' for name in names) + b"}"


def listed(item: bytes, number: int) -> bytes:
    """So many equal items."""
    return b"[" + b",".join([item] * number) + b"]"


CHEAP: dict[str, Callable[[], bytes]] = {
    "keys that are NUL": lambda: keys(*[rb"\u0000"] * 20_000),
    "keys that are half a pair": lambda: keys(*[rb"\ud800"] * 20_000),
    "keys that become those of others": lambda: keys(
        *[rb"\u0000"] * 9_000, *(rb"\ufffd\ufffd%d" % n for n in range(9_000))
    ),
    "keys that grow": lambda: keys(*(b"a" + rb"\u0000" * (n % 40) for n in range(20_000))),
    "the same key": lambda: keys(*[b"a"] * 300_000),
    "NUL after NUL": lambda: b'"' + rb"\u0000" * 500_000 + b'"',
    "backslashes and a NUL": lambda: b'"' + rb"\\" * 3_000_000 + rb'\u0000"',
    "halves in the wrong order": lambda: b'"' + rb"\udc00\ud800" * 200_000 + b'"',
    "a number without end": lambda: b"7" * 5_000_000,
    "a fraction without end": lambda: b"0." + b"7" * 5_000_000,
    "long numbers": lambda: listed(b"7" * 4_300, 1_000),
    "exponents": lambda: listed(b"1e131000", 20_000),
    "levels": lambda: b"[" * 900_000,
}


@pytest.mark.parametrize("kind", CHEAP)
def test_what_looks_dear_is_cheap(kind: str) -> None:
    """Time and memory stay in proportion to the text."""
    body = CHEAP[kind]()
    tracemalloc.start()
    begun = time.process_time()
    try:
        jsontext.require_json(body)
        jsontext.parse_json(body)
    except NotJson:
        assert kind == "levels"
    finally:
        taken, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert taken < 15  # ten times what it takes, traced, on a slow machine
    assert peak < 20 * MB + 20 * len(body)


@pytest.mark.parametrize(
    "item",
    [b"[]", b"{}", b"[[]]", b'{"":{}}', b'""'],
)
def test_values_out_of_proportion(item: bytes) -> None:
    """They are refused before they are made, with the bound."""
    body = listed(item, 6 * MB // len(item))
    tracemalloc.start()
    try:
        with pytest.raises(SourceMalformed, match=r"^\d+ objects, arrays, .* bytes of JSON; no more than \d+ are read"):
            jsontext.require_json(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < MB


@pytest.mark.parametrize("item", [b"1e5", b"1.5", b'{"a":1}', b'"ab"'])
def test_more_values_than_are_ever_read(item: bytes) -> None:
    """However much text they have: 4,000,000 are read at once."""
    with pytest.raises(SourceMalformed, match="no more than 4000000 are read"):
        jsontext.require_json(listed(item, 4_100_000))


@pytest.mark.parametrize(
    "body",
    [
        listed(b'{"key":"1","value":"a"}', 300_000),
        listed(b'{"id":"1","email":"jane@example.com","line":2}', 100_000),
        listed(b"1", 16_777_217),
        listed(b"[]", jsontext.FREE_VALUES // 2),
        b'"' + b"e" * 20 * MB + b'"',
        b'"' + b" " * 20 * MB + b'"',
    ],
    ids=["dictionary", "records", "numbers", "short", "text", "blanks"],
)
def test_what_is_merely_large_is_read(body: bytes) -> None:
    """A long dictionary, many records, a cell of many numbers, a long text."""
    jsontext.require_json(body)
