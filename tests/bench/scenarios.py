"""What is measured, one round at a time: whoever is compared runs in the same round, one after the other."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from tests.bench import floors, load_floors, tree_floors, warehouse
from tests.bench.bench import Bench, Measured
from tests.bench.contenders import CONCURRENCY, Contender, plain_script, product, product_of_many
from tests.bench.server import served
from tests.bench.shapes import MAKE_PLAIN
from tests.bench.sizes import Size, Sizes

DELAY_SECONDS = 0.05

FIRST = product(name="first sync")
FULL = product("--full", name="the same again, --full")
IDLE = product(name="the same again")


class Scenario(NamedTuple):
    """A name for the command line, and one round; `repeats` if it takes several for a median."""

    name: str
    round: Callable[[Bench, Sizes, Sequence[Contender]], None]
    repeats: bool = True


def sync(bench: Bench, sizes: Sizes, others: Sequence[Contender]) -> None:
    """First sync and the same again, beside the floors, the plain script and the peers."""
    for size in sizes.sync:
        read_floors(bench, size)
        first_and_again(bench, size)
        for contender in (plain_script(), *others):
            with served(bench.account(size).folder) as api, bench.server.database() as database:
                for name in ("first", "the same again"):
                    renamed = contender._replace(name=f"{contender.name}, {name}")
                    bench.contender("sync", size, renamed, api=api, database=database)


def read_floors(bench: Bench, size: Size) -> None:
    """Fetching, parsing and flattening alone."""
    with served(bench.account(size).folder):
        bench.floor("sync", size, "fetch with requests", floors.fetch_with_requests)
        bench.floor("sync", size, "fetch with http.client", floors.fetch_with_http_client)
    bench.floor("sync", size, "parse", floors.parse)
    bench.floor("sync", size, "parse and flatten", floors.flatten, "plain")
    bench.floor("sync", size, "parse and flatten, own table", floors.flatten, "own")


def first_and_again(bench: Bench, size: Size) -> None:
    """The product between the load floors that its runs are compared with."""
    with (
        served(bench.account(size).folder) as api,
        bench.server.database() as plain,
        bench.server.database(bench.migrated) as own,
        bench.server.database(bench.migrated) as database,
    ):
        warehouse.execute(plain, MAKE_PLAIN)
        bench.floor("sync", size, "load: COPY and upsert", load_floors.upsert, "plain", plain)
        bench.contender("sync", size, FIRST, api=api, database=database)
        bench.floor("sync", size, "load: COPY, own table", load_floors.copy, "own", own)
        for url in (plain, own, database):
            warehouse.vacuum(url)
        bench.floor("sync", size, "load unchanged: COPY and anti-join", load_floors.merge, "plain", plain)
        bench.contender("sync", size, FULL, api=api, database=database)
        bench.floor("sync", size, "load unchanged, own table", load_floors.merge, "own", own)
        warehouse.vacuum(database)
        bench.contender("sync", size, IDLE, api=api, database=database)


def memory(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """First syncs of accounts of very different sizes."""
    for size in (*sizes.memory, sizes.listing):
        with served(bench.account(size).folder) as api, bench.server.database(bench.migrated) as database:
            bench.contender("memory", size, FIRST, api=api, database=database)


def distance(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """An API that takes its time, asked by many and by one at a time."""
    far_away(bench, sizes.far[0], concurrency=1)
    for size in sizes.far:
        far_away(bench, size, concurrency=CONCURRENCY)


def far_away(bench: Bench, size: Size, *, concurrency: int) -> None:
    """A first sync with so many requests in flight."""
    contender = product(name=f"{concurrency} in flight", concurrency=concurrency)
    folder = bench.account(size).folder
    with served(folder, delay=DELAY_SECONDS) as api, bench.server.database(bench.migrated) as database:
        bench.contender("distance", size, contender, api=api, database=database)


def trees(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """Case fields first, unchanged, and with one leaf renamed; the versions are counted."""
    size = sizes.trees
    changed = size._replace(name=f"{size.name}-renamed", is_renamed=True)
    with bench.server.database() as plain, bench.server.database(bench.migrated) as own:
        bench.floor("trees", size, "flatten and COPY", tree_floors.plain_trees, plain)
        bench.floor("trees", size, "flatten and COPY, own tables", tree_floors.own_trees, own)
    with bench.server.database(bench.migrated) as database:
        for each, name in ((size, "first sync"), (size, "unchanged"), (changed, "one leaf renamed")):
            warehouse.vacuum(database)
            # Each server has a port of its own.
            contender = product("--only", "case-fields", "--accept-source", name=name)
            with served(bench.account(each).folder) as api:
                bench.contender("trees", each, contender, api=api, database=database)


def start(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """What a small account costs whenever cron calls."""
    cost = bench.run((sys.executable, "-m", "etl", "--help"), {})
    bench.note(Measured("start", "-", "--help", cost.seconds, cpu_seconds=cost.cpu_seconds))
    with served(bench.account(sizes.cron).folder) as api, bench.server.database(bench.migrated) as database:
        bench.contender("start", sizes.cron, FIRST, api=api, database=database)
        warehouse.vacuum(database)
        bench.contender("start", sizes.cron, IDLE, api=api, database=database)


def many(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """One account with nothing new and many such: the difference is what each costs beside the start of the command."""
    folder, number = bench.account(sizes.many).folder, sizes.many_accounts
    all_of_them = partial(product_of_many, bench.folder, number)
    with bench.server.database(bench.migrated) as database:

        def measure(contender: Contender, *, delay: float = 0.0) -> None:
            warehouse.vacuum(database)
            with served(folder, delay=delay) as api:
                bench.contender("many", sizes.many, contender, api=api, database=database)

        measure(all_of_them(name=f"{number} accounts, first sync"))
        measure(product_of_many(bench.folder, 1, name="1 account, the same again"))
        measure(all_of_them(name=f"{number} accounts, the same again"))
        measure(all_of_them(name="50 ms an answer"), delay=DELAY_SECONDS)
        measure(all_of_them("--jobs", "8", name="50 ms an answer, --jobs 8"), delay=DELAY_SECONDS)


def line(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """First syncs of two sizes into tables that hold much already."""
    if "line" not in {measured.scenario for measured in bench.measured}:
        warehouse.fill(bench.server.make(bench.stored, bench.migrated), records=sizes.line_stored)
    for size in sizes.line:
        with served(bench.account(size).folder) as api, bench.server.database(bench.stored) as database:
            bench.contender("line", size, FIRST, api=api, database=database)


def page(bench: Bench, sizes: Sizes, _: Sequence[Contender]) -> None:
    """The page about 5,000 imports and 20,000 options, or fewer."""
    file = bench.folder / "page.html"
    with bench.server.database(bench.migrated) as database:
        warehouse.fill_page(database, imports=sizes.page_imports)
        command = (sys.executable, "-m", "etl", "report", "--from", "60d", "--out", str(file), "--json")
        cost = bench.run(command, {"DATABASE_URL": database})
    said = {"bytes": file.stat().st_size} if cost.exit_code == 0 else {}
    bench.note(Measured("page", "-", "report", cost.seconds, cpu_seconds=cost.cpu_seconds, said=said))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("sync", sync),
        Scenario("memory", memory, repeats=False),
        Scenario("distance", distance, repeats=False),
        Scenario("trees", trees),
        Scenario("start", start),
        Scenario("many", many),
        Scenario("line", line),
        Scenario("page", page),
    )
}
