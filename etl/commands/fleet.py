"""`worker`, `enqueue` and `migrate --worker`: the queue from the command line, if the extra is there."""

from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from etl import config
from etl.config import Configured, WarehouseSettings
from etl.errors import UsageError
from etl.instants import Window
from etl.warehouse import connections

EXTRA = "this needs an extra: pip install 'talkdesk-etl[worker]'"


def require_extra() -> None:
    """Raise unless Procrastinate is installed."""
    if find_spec("procrastinate") is None:
        raise UsageError(EXTRA)


def migrate_queue(url: str) -> tuple[str | None, str]:
    """Make the queue's schema, or take it to the installed version; says its last migration before and after."""
    from etl.fleet import schema  # noqa: PLC0415 - only who has the extra can

    return schema.migrate(url)


def work(
    url: str, settings: WarehouseSettings, *, jobs: int | None, due: timedelta | None, stop: Any
) -> dict[str, Any]:
    """Work until stopped, and return what `worker --json` prints."""
    from etl.fleet.tasks import DUE  # noqa: PLC0415 - only who has the extra can
    from etl.fleet.working import work as work_on  # noqa: PLC0415
    from etl.sync.accounts import Call  # noqa: PLC0415
    from etl.sync.run import Options  # noqa: PLC0415

    call = Call(
        connections.open_engine(url),
        Options(),
        keep_rejected=timedelta(days=settings.rejected_keep_days),
        keep_runs=timedelta(days=settings.runs_keep_days),
        stop=stop,
        limit=settings.account_limit,
    )
    return work_on(url, call, config.load_accounts(), jobs=jobs or settings.jobs, due=due or DUE).to_json()


def enqueue(
    url: str, accounts: Sequence[Configured], window: Window | None, *, full: bool, stop: Any
) -> dict[str, int]:
    """Ask for these accounts, and return what `enqueue --json` prints."""
    from etl.fleet.enqueueing import enqueue as enqueue_all  # noqa: PLC0415 - only who has the extra can
    from etl.fleet.tasks import Wish  # noqa: PLC0415

    since, until = (None if end is None else end.isoformat() for end in window or (None, None))
    wishes = [Wish(account.name, since, until, full=full) for account in accounts]
    return enqueue_all(url, wishes, stop=stop)._asdict()


def chosen(names: Sequence[str], *, has_window: bool) -> list[Configured]:
    """Return the configured accounts of these names, or all; for a backfill those that have imports."""
    known = {account.name: account for account in config.configured()}
    wanted = [name.lower() for name in names] or list(known)
    if unknown := [name for name in wanted if name not in known]:
        there = ", ".join(known) or "nothing, TALKDESK_ACCOUNT is not set"
        raise UsageError("; ".join(f"--account {name} is not configured; {there} is" for name in unknown))
    if not wanted:
        raise UsageError("no account is configured: TALKDESK_ACCOUNT is not set")
    found = [known[name] for name in dict.fromkeys(wanted)]
    return list(config.having(found, "imports")) if has_window else found
