"""The first look on a terminal: what was synced, what SQL says about it, and how to go on."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from sqlalchemy import Connection, Row

from etl.commands.demo.world import ACCOUNT
from etl.sync.outcome import SyncOutcome
from etl.warehouse.counts import RESOURCES
from etl.warehouse.sql import statement

Rows = Sequence[Row[Any]]

COUNTS = ("read", "inserted", "updated", "unchanged", "removed")
STATUS_STYLES = {
    "COMPLETED": "green",
    "SUCCESSFUL": "green",
    "COMPLETED_WITH_ERRORS": "yellow",
    "FAILED": "red",
    "CANCELED": "red",
}
SETTINGS = ("TALKDESK_ACCOUNT", "TALKDESK_CLIENT_ID", "TALKDESK_CLIENT_SECRET")
QUESTION = "SELECT * FROM talkdesk.import_daily"
INTRODUCTION = """\
All imports, people and options below are invented: a sandbox on this machine
stands in for Talkdesk. The sync, the PostgreSQL and its tables are real.\
"""


def show_first_look(console: Console, connection: Connection, outcome: SyncOutcome, *, is_first: bool) -> None:
    """Print the first look; `is_first` if there was nothing before that could have changed."""

    def ask(name: str, **values: str) -> Rows:
        return connection.execute(statement(name), {"account": ACCOUNT, **values}).all()

    console.rule("[bold]talkdesk-etl: a first look", style="blue")
    console.print(INTRODUCTION, style="dim")
    _title(console, f"What was synced, in {outcome.seconds:.1f} s")
    console.print(_counts(outcome))
    if not is_first:
        _show_changes(console, ask("demo_changes", run_id=outcome.run_id))
    _show_history(console, ask("demo_history"))
    _show_errors(console, ask("demo_errors"))
    _show_tree(console, ask("demo_tree"))
    _show_next(console)


def _title(console: Console, text: str, *, view: str = "") -> None:
    console.print()
    console.print(Text.assemble((text, "bold"), (f"   {view}" if view else "", "dim")))


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name in (*right, "by"))
    return table


def _counts(outcome: SyncOutcome) -> Table:
    table = _table("resource", *COUNTS, right=COUNTS)
    for account in outcome.accounts:
        for name in RESOURCES:
            if note := account.resources.get(name):
                counts = note.counts.to_json()
                table.add_row(name, *(f"{counts[each]:,}" for each in COUNTS))
    return table


def _show_changes(console: Console, rows: Rows) -> None:
    _title(console, "What has changed since the demo before", view="talkdesk.…_versions")
    for row in rows:
        change = Text.assemble(f"{row.what}: ", (f"{row.before} → {row.after}", "cyan"))
        console.print(change, no_wrap=True, overflow="ellipsis")
    if not rows:
        console.print("nothing")


def _show_history(console: Console, rows: Rows) -> None:
    known, expired = (rows[0].known, rows[0].expired) if rows else (0, 0)
    _title(console, f"The newest {len(rows)} of {known} imports", view="talkdesk.import_history")
    table = _table("created (UTC)", "by", "type", "status", "records", "failed", right=("records", "failed"))
    for row in rows:
        table.add_row(
            f"{row.created_at:%b %d %H:%M}",
            Text(row.created_by_name or ""),
            Text((row.type or "").removesuffix("_USERS")),
            Text(row.status, style=STATUS_STYLES.get(row.status, "cyan")),
            _number(row.total_records),
            _number(row.failed_records),
        )
    console.print(table)
    if expired:
        console.print(f"{expired} of them are forgotten by the source, and stay here.", style="cyan")
    else:
        console.print("The source forgets each after 20 days; here they stay.", style="dim")


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _show_errors(console: Console, rows: Rows) -> None:
    if not rows:
        return
    _title(console, f"Why records of {rows[0].filename} failed", view="talkdesk.import_errors")
    table = _table("line", "person", "column", "message", right=("line",))
    for row in rows:
        table.add_row(
            _number(row.line), Text(row.person or ""), Text(row.field or ""), Text(row.message or "", "yellow")
        )
    console.print(table)


def _show_tree(console: Console, rows: Rows) -> None:
    if not rows:
        return
    _title(console, f"Case field {rows[0].field_name} ({rows[0].field_key})", view="talkdesk.case_field_paths")
    nodes: dict[str, Tree] = {}
    for row in rows:
        label = Text.assemble(row.label or "", (f"  {row.key}", "dim"))
        nodes[row.entry_id] = nodes[row.parent_id].add(label) if row.parent_id else Tree(label, guide_style="dim")
    console.print(Columns([nodes[row.entry_id] for row in rows if not row.parent_id], padding=(0, 3)))


def _show_next(console: Console) -> None:
    command = _command()
    lines = {
        "your account": f"write {', '.join(SETTINGS)} into .env,\nthen {command} check && {command} sync",
        "every hour": f"crontab -e, and there, as one line:\n{cron_line('7 * * * *', 'sync -q')}",
        "ask with SQL": f'{command} query "{QUESTION}"',
    }
    _title(console, "To go on")
    for what, how in lines.items():
        for place, line in enumerate(how.splitlines()):
            # Not wrapped: what is to be copied stays whole.
            console.print(Text.assemble((f"{'' if place else what:<14}", "bold"), line), soft_wrap=True)


def cron_line(when: str, arguments: str) -> str:
    """Write the line for one's own crontab, to run the command here: cron has another path, and splits at `%`."""
    line = f"cd {shlex.quote(str(Path.cwd()))} && {_program()} {arguments}"
    return f"{when}  {line.replace('%', chr(92) + '%')}"


def _command() -> str:
    """Return how this very program is called from here."""
    found, here = _script(), Path.cwd()
    if shutil.which("talkdesk-etl"):
        return "talkdesk-etl"
    return shlex.quote(str(found.relative_to(here))) if found and found.is_relative_to(here) else _program()


def _program() -> str:
    """Return how this very program is called from anywhere."""
    found = _script() or shutil.which("talkdesk-etl")
    return shlex.quote(str(Path(found).absolute())) if found else f"{shlex.quote(sys.executable)} -m etl"


def _script() -> Path | None:
    beside = Path(sys.executable).with_name("talkdesk-etl")
    return beside if beside.exists() else None
