"""A progress bar on a terminal, and silence elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etl.commands.terminal import console
from etl.sync.run import Progress


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function that shows progress on stderr: what is being done, how many of how many, rows a second, time left."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - only a terminal pays
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console(sys.stderr), transient=True) as bar:
        tasks: dict[tuple[str, str], TaskID] = {}

        def show(progress: Progress) -> None:
            key = (progress.account, progress.resource)
            if key not in tasks:
                tasks[key] = bar.add_task(f"{progress.account} {progress.resource}", rows=0, speed=0)
            task = bar.tasks[tasks[key]]
            speed = progress.rows / task.elapsed if task.elapsed else 0
            bar.update(tasks[key], completed=progress.done, total=progress.total, rows=progress.rows, speed=speed)

        yield show
