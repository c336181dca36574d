"""Strategies for what `hal.parse_json` makes of an answer: any JSON, clean text, exact numbers."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
integers = st.integers() | st.sampled_from([0, 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=2) | st.sampled_from(
    [Decimal("1E+2"), Decimal("12.0"), Decimal("-0.0"), Decimal("1E+400")]
)
instants = st.datetimes().map(lambda instant: instant.isoformat() + "Z") | st.sampled_from(
    [
        "2024-01-02 03:04:05 UTC",
        "2024-01-02",
        "0001-01-01T00:00:00+14:00",
        "2024-01-02T24:00:00Z",
        "yesterday",
    ]
)
odd_texts = st.sampled_from(["", "12", " 12 ", "true", "FALSE", "null", "a/b", "\\N", "id:1", "line:1"])
scalars = st.none() | st.booleans() | integers | decimals | texts | odd_texts | instants

values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def objects(*known: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have some of the known keys, with values of any kind, and keys that nobody knows."""
    documented = st.fixed_dictionaries({}, optional=dict.fromkeys(known, values))
    unknown = st.dictionaries(texts | st.sampled_from(["_links", "extra"]), values, max_size=3)
    return st.builds(lambda left, right: right | left, documented, unknown)


def present(item: dict[str, Any]) -> dict[str, Any]:
    """The item without links and nulls, which is what the warehouse promises to give back."""
    return {key: value for key, value in item.items() if value is not None and key != "_links"}
