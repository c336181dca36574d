"""The ratios that this project set itself as goals, as far as a run measured what they need."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.bench.bench import Measured
from tests.bench.contenders import CONCURRENCY
from tests.bench.figures import Figures
from tests.bench.scenarios import DELAY_SECONDS

LARGE, MID = "large", "mid"
DLT = "dlt, first"


class Goal(NamedTuple):
    """A figure with its limit, None if it is only of interest; `least` if the limit is what it has to reach."""

    text: str
    value: float
    limit: float | None
    unit: str = "×"
    least: bool = False

    @property
    def is_met(self) -> bool:
        """True if the value keeps to the limit."""
        if self.limit is None:
            return True
        return self.value >= self.limit if self.least else self.value <= self.limit


def goals(figures: Figures) -> Iterator[Goal]:
    """Every goal for which all figures are there."""
    for size in figures.sizes("sync"):
        yield from _first(figures, size)
        yield from _again(figures, size)
    yield from _memory(figures)
    yield from _distance(figures)
    yield from _trees(figures)
    yield from _start(figures)
    yield from _line(figures)
    yield from _page(figures)


def _first(figures: Figures, size: str) -> Iterator[Goal]:
    match figures.each("sync", size, "first sync", "load: COPY and upsert", "plain script, first", DLT):
        case first, load, plain, dlt:
            if first and load:
                yield Goal(f"{size}: first sync / load floor", first.seconds / load.seconds, _at_large(size, 2.0))
            if first and plain:
                limit = 1.5 if size == MID else _at_large(size, 2.1)
                yield Goal(f"{size}: plain script / first sync", plain.seconds / first.seconds, limit, least=True)
            if first and dlt:
                limit = _at_large(size, 4.0)
                yield Goal(f"{size}: dlt / first sync", dlt.seconds / first.seconds, limit, least=True)


def _again(figures: Figures, size: str) -> Iterator[Goal]:
    whats = "the same again, --full", "fetch with requests", "load unchanged: COPY and anti-join"
    found = figures.each("sync", size, *whats)
    if all(found):
        full, fetch, load = (each for each in found if each)
        floor = max(fetch.seconds, load.seconds)
        yield Goal(f"{size}: --full unchanged / larger floor", full.seconds / floor, _at_large(size, 2.0))
        yield Goal(f"{size}: WAL of --full unchanged", _wal(full) / 1e6, 2.0, unit="MB")
    if idle := figures.get("sync", size, "the same again"):
        yield Goal(f"{size}: idle sync", idle.seconds, 1.5, unit="s")
        yield Goal(f"{size}: WAL of an idle sync", _wal(idle) / 1e3, 40.0, unit="kB")


def _memory(figures: Figures) -> Iterator[Goal]:
    peaks = {size: _peak(figures.get("memory", size, "first sync")) for size in figures.sizes("memory")}
    if peaks:
        yield Goal("peak memory, greatest", max(peaks.values()), 130.0, unit="MiB")
        alike = [peak for size, peak in peaks.items() if size != "listing"]
        yield Goal("peak memory, greatest / least", max(alike) / min(alike), 1.15)


def _distance(figures: Figures) -> Iterator[Goal]:
    for size in figures.sizes("distance"):
        found = figures.get("distance", size, f"{CONCURRENCY} in flight")
        if found and found.asked and found.asked.requests:
            waiting = found.asked.requests * DELAY_SECONDS / CONCURRENCY
            yield Goal(f"{size}: {CONCURRENCY} in flight / all waiting", found.seconds / waiting, 1.25)
        alone = figures.get("distance", size, "1 in flight")
        if alone and alone.asked:
            yield Goal(f"{size}: 1 in flight: most at once", alone.asked.most_at_once, 1, unit="")


def _trees(figures: Figures) -> Iterator[Goal]:
    first, floor, own = figures.each("trees", "trees", "first sync", "flatten and COPY", "flatten and COPY, own tables")
    unchanged = figures.get("trees", "trees", "unchanged")
    renamed = figures.get("trees", "trees-renamed", "one leaf renamed")
    if first and floor and own:
        seconds = first.said["traffic"]["bench"]["case_fields"]["seconds"]
        yield Goal("trees: synced / flatten and COPY, own tables", seconds / own.seconds, 1.5)
        yield Goal("trees: synced / flatten and COPY, one plain table", seconds / floor.seconds, 1.5)
    for found, rows in ((unchanged, 0), (renamed, 1)):
        if found:
            yield Goal(f"trees: rows written, {found.what}", _written(found), rows, unit="")


def _start(figures: Figures) -> Iterator[Goal]:
    if asked := figures.get("start", "-", "--help"):
        yield Goal("--help", asked.seconds, 0.25, unit="s")
    for size in figures.sizes("start"):
        if idle := figures.get("start", size, "the same again"):
            yield Goal("small account: CPU of an idle sync", idle.cpu_seconds or 0.0, 0.6, unit="s")


def _line(figures: Figures) -> Iterator[Goal]:
    match figures.sizes("line"):
        case [small, large]:
            few, many = (figures.get("line", size, "first sync") for size in (small, large))
            if few and many:
                ratio = (many.records / many.seconds) / (few.records / few.seconds)
                yield Goal(f"rows per second: {large} / {small}", ratio, 0.8, least=True)


def _page(figures: Figures) -> Iterator[Goal]:
    if (page := figures.get("page", "-", "report")) and page.said:
        yield Goal("the page (5,000 imports, 20,000 options)", page.seconds, 3.0, unit="s")
        yield Goal("the same, size", page.said["bytes"] / 1e6, 1.0, unit="MB")


def _at_large(size: str, limit: float) -> float | None:
    """The limit if it was set for this size: what is fixed at each start counts for more in small ones."""
    return limit if size == LARGE else None


def _wal(found: Measured) -> float:
    return found.wal_bytes or 0


def _peak(found: Measured | None) -> float:
    return (found and found.peak_mebibytes) or 0.0


def _written(found: Measured) -> int:
    counts = found.said["accounts"]["bench"].values()
    return sum(each[name] for each in counts for name in ("inserted", "updated", "removed"))
