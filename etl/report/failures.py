"""What fails, how often and in which files, by what can be shown of it; pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from etl.jsontext import parse_json
from etl.report.quotes import name_without_cells, without_cells

Said = tuple[str | None, str | None, str | None]
"""Code, message and column, as the source sent them or as they are shown."""
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


def counted_failures(errors: Iterable[Any], samples: Iterable[Any]) -> tuple[list[Failure], dict[Key, Failure]]:
    """Return what fails, the most frequent first, and what fails most in each import.

    `errors` are counted by import and what they say; `samples` are, for what they say, the cells of a few of their
    records: what an error quotes, each record with it holds. Of an error without a sample nothing is shown.
    """
    cells: dict[Said, list[Any]] = defaultdict(list)
    for row in samples:
        cells[row.code, row.message, row.field].append(parse_json(row.data.encode()))
    shown = {said: _shown(said, found) for said, found in cells.items()}
    together: dict[Said, Counter[Key]] = defaultdict(Counter)
    names: dict[Key, str] = {}
    for row in errors:
        key = (row.account, row.import_id)
        names[key] = row.filename or row.import_id
        together[shown.get((row.code, row.message, row.field), (None, None, None))][key] += row.errors
    failures = [_failure(said, imports, names) for said, imports in together.items()]
    return sorted(failures, key=_rank), _worst(together, names)


def _shown(said: Said, cells: Sequence[Any]) -> Said:
    code, message, field = said
    return name_without_cells(code, cells), without_cells(message, cells), name_without_cells(field, cells)


def _rank(failure: Failure) -> tuple[Any, ...]:
    return -failure.errors, *(word or "" for word in failure[:3])


def _failure(said: Said, imports: Counter[Key], names: Mapping[Key, str]) -> Failure:
    most_first = sorted(imports.items(), key=lambda each: (-each[1], each[0]))
    files = list(dict.fromkeys(names[key] for key, _ in most_first))
    return Failure(*said, imports.total(), len(imports), files)


def _worst(together: Mapping[Said, Counter[Key]], names: Mapping[Key, str]) -> dict[Key, Failure]:
    worst: dict[Key, Failure] = {}
    for said, imports in together.items():
        for key, number in imports.items():
            each = Failure(*said, number, 1, [names[key]])
            if key not in worst or _rank(each) < _rank(worst[key]):
                worst[key] = each
    return worst
