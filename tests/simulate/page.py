"""What is simulated and computed, as tables of Markdown between the marks of docs/explanation/scale.md."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.simulate import model
from tests.simulate.model import HOUR, MINUTE, Fate, Way, World

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "scale.md"
UNTIL = 8 * HOUR
TICK = 15.0  # etl/fleet/tasks.py
SIZES = (1_000, 20_000)

WAYS = (
    Way("one after the other, every hour", jobs=1, due=None, every=HOUR),
    Way("8 slots, no limit", limit=math.inf),
    Way("8 slots, 15 min each"),
    Way("8 slots, 2 min each", limit=2 * MINUTE),
    Way("8 slots, calls overlap", overlaps=True),
    Way("3 machines of 8 slots", machines=3),
    Way("3 workers of 8 slots", machines=3, every=TICK, works=True),
    Way("8 workers of 32 slots", machines=8, jobs=32, every=TICK, works=True),
)
FATES = (
    Fate("all are healthy"),
    Fate("10 accounts trickle", lambda _accounts: 10, math.inf),
    Fate("a region is silent", lambda accounts: accounts // 5, 244.0),
)

# Measured or from the source's own limits; the page says which.
PAGE_SIZE, RETENTION_DAYS, RECORDS, SYNCS = 50, 20, 1_000, 24
LISTED_BYTES, RECORD_BYTES, FIELDS_BYTES = 583, 332, 200 * 64
STORED_BYTES, WAL_BYTES, RUN_WAL_BYTES, RUN_BYTES = 500, 930, 4_900, 2_440


def simulated(accounts: int) -> str:
    """The table of so many accounts."""
    heads = ("what happens", "how", "stalest", "half are never older than", "copies an hour", "collisions", "at once")
    return _table(heads, (_simulated(accounts, way, fate) for fate in FATES for way in WAYS), texts=2)


def _simulated(accounts: int, way: Way, fate: Fate) -> Sequence[str]:
    world = World(accounts, way, fate)
    world.run(UNTIL)
    healthy = [account for account in world.accounts if not account.is_broken]
    copies = sum(account.copies for account in healthy)
    worst = [max(account.worst, account.age(UNTIL)) for account in healthy]
    is_growing = max(worst) > max(account.worst for account in healthy)
    return (
        fate.name,
        way.name,
        ("> " if is_growing else "") + _age(max(worst)),
        _age(median(worst)),
        f"{copies / UNTIL * HOUR:,.0f}",
        f"{100 * world.collisions / copies:.0f} %",
        f"{world.most_at_once}",
    )


def _age(seconds: float) -> str:
    return f"{seconds / HOUR:.1f} h" if seconds >= 2 * HOUR else f"{seconds / MINUTE:.0f} min"


def volumes() -> str:
    """What an account asks for and stores in a day of hourly syncs, by its imports, each as large as one may be."""
    heads = ("imports a day", "requests", "rows of records", "MB read", "MB stored", "MB of WAL")
    return _table(heads, map(_volume, (0, 1, 10, 100)), texts=0)


def _volume(imports: int) -> Sequence[str]:
    listed = imports * RETENTION_DAYS
    list_pages = max(1, math.ceil(listed / PAGE_SIZE))
    record_pages = imports * math.ceil(RECORDS / PAGE_SIZE)
    records = imports * RECORDS
    read = SYNCS * (listed * LISTED_BYTES + FIELDS_BYTES) + records * RECORD_BYTES
    return (
        f"{imports}",
        f"{SYNCS * (2 + list_pages) + record_pages:,}",  # a token and the case fields beside the list
        f"{records:,}",
        f"{read / 1e6:,.1f}",
        f"{(records * STORED_BYTES + SYNCS * RUN_BYTES) / 1e6:,.2f}",
        f"{(records * WAL_BYTES + SYNCS * RUN_WAL_BYTES) / 1e6:,.2f}",
    )


def carried() -> str:
    """How many accounts without news are synced in an hour at most, by what there is, and what ends it."""
    heads = ("", *(f"{accounts:,} on the list" for accounts in SIZES), "what ends it")
    looks = [model.LOOK_SECONDS + model.LOOK_SECONDS_EACH * accounts for accounts in SIZES]
    alone = model.INTERPRETER_SECONDS + model.WAITING_SECONDS
    side_by_side = [max(model.INTERPRETER_SECONDS, look) for look in looks]
    queued, listed = model.QUEUE_SECONDS + model.DATABASE_SECONDS, [model.DATABASE_SECONDS + look for look in looks]
    rows = (
        ("one slot, no `--due`", [alone, alone], "waiting for answers"),
        ("8 slots", side_by_side, "one interpreter; with many accounts the look at the list"),
        ("a worker of 8 slots", [model.INTERPRETER_SECONDS] * 2, "one interpreter"),
        ("a core of the database, `--due`", listed, "its processor"),
        ("a core of the database, workers", [queued] * 2, "its processor"),
    )
    return _table(heads, ((name, *(f"{HOUR / each:,.0f}" for each in each), why) for name, each, why in rows), texts=1)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int) -> str:
    under = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, under, *rows))


def blocks(sizes: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Every table by the name that its marks have."""
    yield "volumes", volumes()
    yield "carried", carried()
    for accounts in sizes:
        yield f"{accounts:,} accounts", simulated(accounts)


def shown(page: str, name: str) -> str:
    """What stands between the marks of this name."""
    (found,) = _between(name).findall(page)
    return str(found)


def written(page: str, name: str, table: str) -> str:
    """The page with this table between the marks of this name."""
    shown(page, name)
    return _between(name).sub(lambda _: table, page)


def _between(name: str) -> "re.Pattern[str]":
    begin, end = (re.escape(f"<!-- {which}: {name} -->\n") for which in ("computed", "end"))
    return re.compile(rf"(?<={begin}).*?(?=\n{end})", re.DOTALL)
