"""What a bench run says: a page of Markdown, ratios first, and a JSON file with every single measurement."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.bench.bench import Measured
from tests.bench.figures import Figures
from tests.bench.goals import Goal, goals

_FLOOR = {"sync": "load: COPY and upsert", "trees": "flatten and COPY"}
_TITLES = {
    "sync": "First sync and the same again",
    "memory": "Peak memory",
    "distance": "A distant API",
    "trees": "Dictionary trees",
    "start": "A small account",
    "many": "Many accounts",
    "line": "Tables that hold much already",
    "page": "The page",
}


def write_report(folder: Path, machine: Mapping[str, str], measured: Sequence[Measured], wrong: Sequence[str]) -> str:
    """Afterwards bench.md and bench.json are in the folder; says the page."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"machine": machine, "measured": [each._asdict() for each in measured], "wrong": wrong}
    (folder / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    disturbed = sum(not each.is_calm for each in measured)
    calm = {
        "disturbed": f"{disturbed} of {len(measured)} measurements; where there are others, the medians are of those"
    }
    page = "\n".join(_page(dict(machine) | calm, Figures(measured), wrong)) + "\n"
    (folder / "bench.md").write_text(page)
    return page


def _page(machine: Mapping[str, str], figures: Figures, wrong: Sequence[str]) -> Iterator[str]:
    yield "# Bench\n"
    yield from (f"- {name}: {words}" for name, words in machine.items())
    if wrong:
        yield "\n**Wrong results, so these figures count for nothing:**\n"
        yield from (f"- {each}" for each in wrong)
    yield "\n## Goals\n"
    yield from _table(("", "measured", "goal", "met"), map(_goal_cells, goals(figures)))
    for scenario in figures.scenarios():
        yield f"\n## {_TITLES[scenario]}"
        for size in figures.sizes(scenario):
            yield from _medians(figures, scenario, size)


def _goal_cells(goal: Goal) -> tuple[str, ...]:
    measured = f"{goal.value:.2f} {goal.unit}".rstrip()
    if goal.limit is None:
        return goal.text, measured, "", ""
    limit = f"{'≥' if goal.least else '≤'} {goal.limit:g} {goal.unit}".rstrip()
    return goal.text, measured, limit, "yes" if goal.is_met else "**no**"


def _medians(figures: Figures, scenario: str, size: str) -> Iterator[str]:
    floor = figures.get(scenario, size, _FLOOR.get(scenario, ""))
    rows = list(figures.rows(scenario, size))
    records = max(row.records for row in rows)
    yield f"\n{size}{f': {records:,} records' if records else ''}\n"
    heads = ("", "× load floor", "seconds", "rows/s", "CPU s", "server CPU s", "peak MiB", "WAL MB", "requests")
    yield from _table(heads, (_cells(row, floor) for row in rows))


def _cells(row: Measured, floor: Measured | None) -> tuple[str, ...]:
    return (
        row.what,
        _number(row.seconds / floor.seconds if floor else None, 2),
        _number(row.seconds, 2),
        _number(row.records / row.seconds if row.records else None, 0),
        _number(row.cpu_seconds, 2),
        _number(row.server_cpu_seconds, 2),
        _number(row.peak_mebibytes, 0),
        _number(None if row.wal_bytes is None else row.wal_bytes / 1e6, 3),
        _number(row.asked.requests if row.asked else None, 0),
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|---{'|---:' * (len(heads) - 1)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
