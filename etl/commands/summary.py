"""The short answer that a sync prints for a person; plain text, since cron sends it by mail."""

from collections.abc import Iterator

from etl.errors import one_line
from etl.sync.outcome import AccountOutcome, SyncOutcome
from etl.warehouse.counts import RESOURCES

COLUMNS = ("read", "inserted", "updated", "unchanged", "removed", "rejected")


def summary(outcome: SyncOutcome) -> str:
    """A table of counts, what failed or was rejected, and how it ended."""
    return "\n".join((*_table(outcome), *_troubles(outcome), _ending(outcome)))


def _table(outcome: SyncOutcome) -> Iterator[str]:
    rows = [row for account in outcome.accounts for row in _rows(account)]
    if not rows:
        return
    width = max(len(row[0]) for row in [("account", ""), *rows])
    for account, resource, *counts in [("account", "resource", *COLUMNS), *rows]:
        yield f"{account:<{width}}  {resource:<18}" + "".join(f"{count:>11}" for count in counts)


def _rows(account: AccountOutcome) -> Iterator[tuple[str, ...]]:
    for resource in RESOURCES:
        if note := account.resources.get(resource):
            counts = note.counts.to_json()
            yield account.account, resource, *(f"{counts[name]:,}" for name in COLUMNS)


def _troubles(outcome: SyncOutcome) -> Iterator[str]:
    for failure in outcome.failures:
        where = " ".join(filter(None, (failure.account, failure.resource, failure.import_id)))
        yield one_line(f"failed: {where}: {failure.message}")
    rejected = sum(note.counts.rejected for account in outcome.accounts for note in account.resources.values())
    if rejected:
        yield f"rejected: {rejected} item(s) could not be loaded, see talkdesk.rejected_items"


def _ending(outcome: SyncOutcome) -> str:
    dry = " (dry run: nothing was written)" if outcome.dry_run else ""
    where = f", warehouse {outcome.warehouse}" if outcome.warehouse else ""
    return f"{outcome.outcome} in {outcome.seconds:.1f} s{dry}{where}"
