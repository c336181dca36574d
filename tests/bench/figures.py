"""Medians of what was measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

from tests.bench.bench import Measured


class Figures:
    """Medians by scenario, size and what was measured."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._groups: dict[tuple[str, str, str], list[Measured]] = {}
        for each in measured:
            self._groups.setdefault((each.scenario, each.size, each.what), []).append(each)

    def scenarios(self) -> list[str]:
        """The scenarios that were measured, in order."""
        return list(dict.fromkeys(scenario for scenario, _, _ in self._groups))

    def sizes(self, scenario: str) -> list[str]:
        """The sizes that were measured in a scenario, in order."""
        return list(dict.fromkeys(size for each, size, _ in self._groups if each == scenario))

    def rows(self, scenario: str, size: str) -> Iterator[Measured]:
        """The medians of everything measured of this size."""
        for key, group in self._groups.items():
            if key[:2] == (scenario, size):
                yield _medians(group)

    def get(self, scenario: str, size: str, what: str) -> Measured | None:
        """The medians of one thing, if it was measured."""
        group = self._groups.get((scenario, size, what))
        return _medians(group) if group else None

    def each(self, scenario: str, size: str, *whats: str) -> tuple[Measured | None, ...]:
        """The medians of several things."""
        return tuple(self.get(scenario, size, what) for what in whats)


def _medians(measured: Sequence[Measured]) -> Measured:
    """Of the runs that nothing disturbed, if there are any."""
    group = [each for each in measured if each.is_calm] or measured
    wal_bytes = _middle(group, lambda each: each.wal_bytes)
    middle = sorted(group, key=lambda each: each.seconds)[len(group) // 2]
    return middle._replace(
        seconds=median(each.seconds for each in group),
        cpu_seconds=_middle(group, lambda each: each.cpu_seconds),
        server_cpu_seconds=_middle(group, lambda each: each.server_cpu_seconds),
        peak_mebibytes=_middle(group, lambda each: each.peak_mebibytes),
        wal_bytes=None if wal_bytes is None else round(wal_bytes),
    )


def _middle(group: Sequence[Measured], number: Callable[[Measured], float | None]) -> float | None:
    known = [value for value in map(number, group) if value is not None]
    return median(known) if known else None
