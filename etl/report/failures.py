"""What fails, how often and in which files, by what can be shown of it; pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from etl.jsontext import parse_json
from etl.report.quotes import name_without_cells, without_cells

Kind = tuple[str | None, str | None, str | None]
Key = tuple[str, str]
"""Account and import."""


class Failure(NamedTuple):
    """An error without what it quotes, how often it was met, in how many imports, and in which files."""

    code: str | None
    message: str | None
    field: str | None
    errors: int
    imports: int
    files: Sequence[str]


def counted_failures(read: Iterable[Any], in_all: Iterable[Any]) -> tuple[list[Failure], dict[Key, Failure]]:
    """Return what fails, the most frequent first, and what fails most in each import.

    Of `read` the words are known, and the cells that they may quote; what is there beyond them is merely counted.
    """
    found: dict[Kind, Counter[Key]] = defaultdict(Counter)
    left: Counter[tuple[Key, str | None]] = Counter()
    names: dict[Key, str] = {}
    for row in in_all:
        key = (row.account, row.import_id)
        names[key] = row.filename or row.import_id
        left[key, row.code] += row.errors
    shown: set[str | None] = set()
    for row in read:
        key, kind = (row.account, row.import_id), _kind(row)
        left[key, row.code] -= 1
        shown.add(kind[0])
        found[kind][key] += 1
    for (key, code), number in left.items():
        if number > 0:
            found[code if code in shown else None, None, None][key] += number
    failures = [_failure(kind, imports, names) for kind, imports in found.items()]
    return sorted(failures, key=_rank), _worst(found, names)


def _kind(row: Any) -> Kind:
    cells = None if row.data is None else parse_json(row.data.encode())
    return (
        name_without_cells(row.code, cells),
        without_cells(row.message, cells),
        name_without_cells(row.field, cells),
    )


def _rank(failure: Failure) -> tuple[Any, ...]:
    return -failure.errors, *(word or "" for word in failure[:3])


def _failure(kind: Kind, imports: Counter[Key], names: Mapping[Key, str]) -> Failure:
    most_first = sorted(imports.items(), key=lambda each: (-each[1], each[0]))
    files = list(dict.fromkeys(names[key] for key, _ in most_first))
    return Failure(*kind, imports.total(), len(imports), files)


def _worst(found: Mapping[Kind, Counter[Key]], names: Mapping[Key, str]) -> dict[Key, Failure]:
    worst: dict[Key, Failure] = {}
    for kind, imports in found.items():
        for key, number in imports.items():
            each = Failure(*kind, number, 1, [names[key]])
            if key not in worst or _rank(each) < _rank(worst[key]):
                worst[key] = each
    return worst
