"""The short answer that a sync prints for a person; plain text, since cron sends it by mail."""

from collections.abc import Iterable, Iterator, Mapping

from etl.commands.terminal import UNBOUNDED
from etl.sync.outcome import AccountOutcome, ResourceOutcome, SyncOutcome
from etl.warehouse.counts import RESOURCES

MANY = 12
"""More accounts than these are told of together."""

COLUMNS = ("read", "inserted", "updated", "unchanged", "removed", "rejected")


def summary(outcome: SyncOutcome, *, width: int = UNBOUNDED) -> str:
    """Return a table of counts, what is still rejected, and how it ended; what failed was said on stderr."""
    told = (*_table(outcome, width), *_standing(outcome), *_stored_otherwise(outcome), *_skipped(outcome))
    return "\n".join((*told, _ending(outcome)))


def _table(outcome: SyncOutcome, width: int) -> Iterator[str]:
    """Yield only what says something where there is little room: no only account, nothing that nothing befell."""
    rows = [row for account in outcome.accounts for row in _rows(account.account, account.resources)]
    if len(outcome.tried) > MANY:
        rows = [*_rows(f"{len(outcome.tried):,} accounts", _together(outcome.tried))]
    if not rows:
        return
    lines = _aligned([("account", "resource", *COLUMNS), *rows], gap=3)
    if len(lines[0]) > width:
        lines = _aligned(_without_the_idle([("account", "resource", *COLUMNS), *rows]), gap=2)
    yield from lines


def _rows(name: str, resources: Mapping[str, ResourceOutcome]) -> Iterator[tuple[str, ...]]:
    for resource in RESOURCES:
        if note := resources.get(resource):
            counts = note.counts.to_json()
            yield name, resource, *(f"{counts[column]:,}" for column in COLUMNS)


def _together(accounts: Iterable[AccountOutcome]) -> dict[str, ResourceOutcome]:
    """Return what they came to in all; which of them failed was said on stderr, and `--json` has each."""
    sums: dict[str, ResourceOutcome] = {}
    for account in accounts:
        for resource, note in account.resources.items():
            sums.setdefault(resource, ResourceOutcome()).counts.add(note.counts)
    return sums


def _without_the_idle(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    columns = [column for column in zip(*rows, strict=True) if column[0] == "read" or set(column[1:]) != {"0"}]
    if len(set(columns[0][1:])) == 1:
        del columns[0]
    return list(zip(*columns, strict=True))


def _aligned(rows: list[tuple[str, ...]], *, gap: int) -> list[str]:
    """Return each row as a line, words to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = rows[0].index("resource") + 1
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row[:names], widths, strict=False))
        + "".join(f"{cell:>{width + gap}}" for cell, width in zip(row[names:], widths[names:], strict=True))
        for row in rows
    ]


def _standing(outcome: SyncOutcome) -> Iterator[str]:
    rejected = sum(note.counts.rejected for account in outcome.accounts for note in account.resources.values())
    if rejected and not any(account.new_rejected for account in outcome.accounts):
        yield f"rejected: {rejected} item(s) could not be loaded, as before: see talkdesk.rejected_items"


def _stored_otherwise(outcome: SyncOutcome) -> Iterator[str]:
    for account in outcome.accounts:
        if account.otherwise:
            yield f"privacy: {account.account}: {account.otherwise}"


def _skipped(outcome: SyncOutcome) -> Iterator[str]:
    if outcome.skipped:
        yield f"skipped: {len(outcome.skipped):,} account(s) were not due, or are being synced elsewhere"


def _ending(outcome: SyncOutcome) -> str:
    dry = " (dry run: nothing was written)" if outcome.dry_run else ""
    where = f", warehouse {outcome.warehouse}" if outcome.warehouse else ""
    return f"{outcome.outcome} in {outcome.seconds:.1f} s{dry}{where}"
