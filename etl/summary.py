"""The short answer that a sync prints for a person."""

from rich.console import Console
from rich.table import Table

from etl.counts import RESOURCES
from etl.outcome import AccountOutcome, SyncOutcome

COLUMNS = ("read", "inserted", "updated", "unchanged", "removed", "rejected")


def print_summary(outcome: SyncOutcome) -> None:
    """Print a table of counts, then what failed, then one line that says how it ended."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("account", "resource"):
        table.add_column(name)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for account in outcome.accounts:
        _add_rows(table, account)
    if table.row_count:
        console.print(table)
    for failure in outcome.failures:
        where = " ".join(filter(None, (failure.account, failure.resource, failure.import_id)))
        console.print(f"failed: {where}: {failure.message}", markup=False, soft_wrap=True)
    rejected = sum(note.counts.rejected for account in outcome.accounts for note in account.resources.values())
    if rejected:
        console.print(f"rejected: {rejected} item(s) could not be loaded, see talkdesk.rejected_items")
    dry = " (dry run: nothing was written)" if outcome.dry_run else ""
    console.print(f"{outcome.outcome} in {outcome.seconds:.1f} s{dry}")


def _add_rows(table: Table, account: AccountOutcome) -> None:
    for resource in RESOURCES:
        if note := account.resources.get(resource):
            counts = note.counts.to_json()
            table.add_row(account.account, resource, *(f"{counts[name]:,}" for name in COLUMNS))
