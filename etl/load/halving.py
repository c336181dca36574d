"""Storing what the database takes: what it refuses is found by halving, and stops nothing but itself."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from etl.load.rowsets import Key
from etl.rows import Rejected
from etl.warehouse.counts import Counts
from etl.warehouse.sqlstates import describe, is_of_the_item

T = TypeVar("T")
R = TypeVar("R")

MAX_REFUSED = 1_000
"""A database that refuses more items than these at once refuses everything: halving on would take for ever."""


class Stored(NamedTuple):
    """What became of items: how many were stored, and those that the database refused, with the reason.

    `refused` are the keys of the rejected, `changed` those of what is new or was not the same; `failed` are imports
    that could not be stored record by record either.
    """

    counts: Counts
    rejected: list[Rejected]
    refused: Collection[Key] = ()
    changed: Collection[Key] = ()
    failed: Mapping[str, str] = MappingProxyType({})


def store_by_halves(
    connection: Connection, store: Callable[[Sequence[T]], Counts], items: Sequence[T], refused: list[tuple[T, str]]
) -> Counts:
    """Store the items by halves, and count them; the refused ones are noted."""
    counts = Counts()
    for part in by_halves(connection, store, items, refused):
        counts.add(part)
    return counts


def by_halves(
    connection: Connection, work: Callable[[Sequence[T]], R], items: Sequence[T], refused: list[tuple[T, str]]
) -> list[R]:
    """Return what the work gave with all items together or, where the database refuses, with each half by itself.

    Those that it refuses alone are added to `refused`, with the reason; what is no item's own fault is raised.
    """
    if not items:
        return []
    try:
        with connection.begin_nested():
            return [work(items)]
    except (DBAPIError, psycopg.Error) as error:
        if not is_of_the_item(error) or len(refused) >= MAX_REFUSED:
            raise
        if len(items) == 1:
            refused.append((items[0], describe(error)))
            return []
    middle = len(items) // 2
    halves = (items[:middle], items[middle:])
    return [result for half in halves for result in by_halves(connection, work, half, refused)]
