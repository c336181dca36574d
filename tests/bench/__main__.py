"""Measure this product beside the floors of its job and what people would use instead: `make bench`."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from tests.bench import peers
from tests.bench.bench import Bench
from tests.bench.machine import described
from tests.bench.report import write_report
from tests.bench.scenarios import SCENARIOS
from tests.bench.sizes import FULL, SHORT, SYNC, Size
from tests.bench.warehouse import Server, private_server

BUILD = Path("build") / "bench"
CHANGEABLE = [name for name, kind in Size.__annotations__.items() if kind is int]
CHANGES_HELP = f"Change the sizes in sync: {', '.join(CHANGEABLE)}."


@click.command(help=__doc__)
@click.option("--scenario", "names", multiple=True, type=click.Choice(list(SCENARIOS)), help="Only this; repeatable.")
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SYNC)), help="Only this in sync; repeatable.")
@click.option("--set", "changes", multiple=True, metavar="NAME=NUMBER", help=CHANGES_HELP)
@click.option("--repeat", default=3, show_default=True, help="Rounds, for a median.")
@click.option("--short", is_flag=True, help="Tiny accounts, one round: shows that the bench works, and no more.")
@click.option("--peers", "with_peers", is_flag=True, help="Also dlt and a Singer tap with target-postgres.")
@click.option("--postgres", metavar="URL", help="A server of your own (a superuser's URL) instead of a private one.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=BUILD, show_default=True, help="Folder of the report."
)
def main(
    names: Sequence[str],
    sizes: Sequence[str],
    changes: Sequence[str],
    repeat: int,
    postgres: str | None,
    output: Path,
    *,
    short: bool,
    with_peers: bool,
) -> None:
    """Exits with 1 if any run left something else in its tables than the truth."""
    chosen = SHORT if short else FULL
    if sizes and not short:
        chosen = chosen._replace(sync=tuple(SYNC[name] for name in sizes))
    chosen = chosen._replace(sync=tuple(_changed(size, changes) for size in chosen.sync))
    others = peers.contenders(BUILD) if with_peers else ()
    with _server(postgres) as server, tempfile.TemporaryDirectory(prefix="talkdesk-etl-bench-") as folder:
        bench = Bench(server, Path(folder), lambda text: click.echo(text, err=True))
        bench.prepare()
        try:
            for scenario in (SCENARIOS[name] for name in names or SCENARIOS):
                for _ in range(repeat if scenario.repeats and not short else 1):
                    scenario.round(bench, chosen, others)
        finally:
            machine = described(server.version) | ({"peers": peers.VERSIONS} if with_peers else {})
            page = write_report(output, machine, bench.measured, bench.wrong)
            bench.finish()
    click.echo(page)
    sys.exit(bool(bench.wrong))


def _changed(size: Size, changes: Sequence[str]) -> Size:
    values = size._asdict()
    for change in changes:
        name, _, number = change.partition("=")
        if name not in CHANGEABLE or not number.isdecimal():
            raise click.UsageError(f"--set {change}: no NAME=NUMBER of a size")
        values[name] = int(number)
    return Size(**values)


@contextmanager
def _server(url: str | None) -> Iterator[Server]:
    if url:
        yield Server(url)
    else:
        with private_server() as server:
            yield server


if __name__ == "__main__":
    main()
