"""How much may be made of what arrived: a bound on rows, in proportion to the item that they are made of; pure.

Path and labels stand in each row of a tree, an error's texts in a row for each field that it names: 0.3 MB of JSON
could become a gigabyte of rows. Real items come to three times their size, deep trees and wordy errors to ten.
"""

from functools import cached_property

from etl.jsontext import json_bytes

TIMES = 20
RESERVE_BYTES = 8_000_000
LITTLE_BYTES = 1_000
REASON = (
    f"its rows would come to more than {TIMES} times its size"
    f" and the {RESERVE_BYTES // 1_000_000} MB that a listing may have beyond that"
)


class OutOfProportionError(Exception):
    """More would be made of an item than it may become; the item is to be rejected."""


class Proportion:
    """What the items of one listing may become; they share a reserve, so that many cannot do what one may not."""

    def __init__(self) -> None:
        self._reserve = RESERVE_BYTES

    def rows_of(self, item: object) -> "Rows":
        """Count the rows of this item."""
        return Rows(item, self._reserve)

    def keep(self, rows: "Rows") -> None:
        """Keep the item's rows counted; what a rejected one took is free again."""
        self._reserve -= rows.excess


class Rows:
    """Counts the bytes that one item becomes, while its rows are made."""

    def __init__(self, item: object, reserve: int) -> None:
        self._item, self._reserve = item, reserve
        self._bytes = 0

    def add(self, number: int) -> None:
        """Count so many bytes more; raises OutOfProportionError where they are too many."""
        self._bytes += number
        # The size is asked for only where it may matter: most items become next to nothing.
        if self._bytes > LITTLE_BYTES and self.excess > self._reserve:
            raise OutOfProportionError

    @property
    def excess(self) -> int:
        """The bytes beyond so many times the item's size."""
        return 0 if self._bytes <= LITTLE_BYTES else max(self._bytes - TIMES * self._size, 0)

    @cached_property
    def _size(self) -> int:
        return len(json_bytes(self._item))
