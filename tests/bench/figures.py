"""Medians of what was measured, and the ratios that the project set itself as goals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from tests.bench.bench import Measured

FAR_SECONDS = 0.05


class Goal(NamedTuple):
    """A ratio, or a figure, and the limit that it was given."""

    text: str
    value: float
    limit: float
    unit: str = "×"
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """True if the value keeps to the limit."""
        return self.value >= self.limit if self.is_floor else self.value <= self.limit


class Figures:
    """Medians by scenario, size and what was measured."""

    def __init__(self, measured: Iterable[Measured]) -> None:
        self._groups: dict[tuple[str, str, str], list[Measured]] = {}
        for each in measured:
            self._groups.setdefault((each.scenario, each.size, each.what), []).append(each)

    def sizes(self, scenario: str) -> list[str]:
        """The sizes measured in a scenario, in order."""
        return list(dict.fromkeys(key[1] for key in self._groups if key[0] == scenario))

    def rows(self, scenario: str, size: str) -> Iterator[Measured]:
        """One row of medians for each thing measured."""
        for key, group in self._groups.items():
            if key[:2] == (scenario, size):
                yield _medians(group)

    def get(self, scenario: str, size: str, what: str) -> Measured | None:
        """The medians of one thing, if it was measured."""
        group = self._groups.get((scenario, size, what))
        return _medians(group) if group else None


def _medians(group: Sequence[Measured]) -> Measured:
    def middle(number: Callable[[Measured], float | None]) -> float | None:
        known = [value for value in map(number, group) if value is not None]
        return median(known) if known else None

    wal = middle(lambda each: each.wal_bytes)
    return group[-1]._replace(
        seconds=median(each.seconds for each in group),
        cpu_seconds=middle(lambda each: each.cpu_seconds),
        server_cpu_seconds=middle(lambda each: each.server_cpu_seconds),
        peak_megabytes=middle(lambda each: each.peak_megabytes),
        wal_bytes=None if wal is None else round(wal),
    )
