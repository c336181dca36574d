"""A progress bar on a terminal, and silence elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etl.commands.terminal import console
from etl.warehouse.counts import Progress


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress on stderr by a function, a line for each account under way: how many of how many, rows a second.

    It stays below what is logged, fits a narrow terminal, and leaves nothing behind.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Column  # noqa: PLC0415
    from rich.theme import Theme  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(10, complete_style="green", finished_style="green", pulse_style="green"),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[speed]:,.0f} rows/s", table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
    )
    screen = console(sys.stderr)
    screen.push_theme(Theme({"progress.elapsed": "default", "progress.download": "default"}))  # yellow fades on white
    with Bar(*columns, console=screen, transient=True, redirect_stdout=False) as bar:
        tasks: dict[str, tuple[str, TaskID]] = {}

        def show(progress: Progress) -> None:
            resource, task = tasks.get(progress.account, (None, TaskID(-1)))
            if resource != progress.resource:
                if resource is not None:
                    bar.remove_task(task)
                    del tasks[progress.account]
                if progress.resource is None:
                    return
                task = bar.add_task(f"{progress.account} {progress.resource}", total=None, speed=0)
                tasks[progress.account] = progress.resource, task
            elapsed = next(each.elapsed for each in bar.tasks if each.id == task)
            speed = progress.rows / elapsed if elapsed else 0
            bar.update(task, completed=progress.done, total=progress.total, speed=speed)

        yield show
