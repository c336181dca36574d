"""The application: what may be asked for, and what is done at every tick.

Jobs carry names and instants, no secret: every machine has the settings of the accounts.
"""

import asyncio
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from procrastinate import App, JobContext, PsycopgConnector, exceptions
from procrastinate.jobs import Status

ACCOUNTS, TICKS = "accounts", "ticks"
"""The queues: ticks do not wait behind accounts."""

SYNC, TICK, RESCUE = "talkdesk_etl.sync", "talkdesk_etl.tick", "talkdesk_etl.rescue"
EVERY = "* * * * * */15"
"""Each quarter of a minute, in croniter's form with seconds."""

DUE = timedelta(hours=1)
"""How long ago an account's last run began when it is synced again, unless the worker is told otherwise."""

HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 20.0
"""After so long without a sign of life a worker is taken for dead; its accounts' locks are free already, or held."""

KEEP_HOURS = 24
"""Jobs that ended are kept so long, for `status` to count those that failed."""

app = App(connector=PsycopgConnector())


class Wish(NamedTuple):
    """What is to be synced: `since` and `until` are instants of a backfill, `due` makes it depend on the ledger."""

    account: str
    since: str | None = None
    until: str | None = None
    full: bool = False
    due: bool = False

    @property
    def is_plain(self) -> bool:
        """True if a sync that waits already does as well."""
        return not (self.since or self.until or self.full)


class Hands(Protocol):
    """What a worker's machine does for a job."""

    def sync(self, wish: Wish) -> None:
        """Sync the account; raise if that failed."""

    def due_accounts(self) -> list[str]:
        """Name the accounts that are due and free, the stalest first."""


def configured(wish: Wish) -> Any:
    """Return the job that is to be deferred: the same wish waits once, and one account's jobs run one by one."""
    what = "sync" if wish.is_plain else f"backfill {wish.since} {wish.until} {wish.full}"
    return app.configure_task(SYNC, queueing_lock=f"{what} {wish.account}", lock=f"account {wish.account}")


@app.task(name=SYNC, queue=ACCOUNTS, pass_context=True)
def sync(context: JobContext, /, **wish: Any) -> None:
    """Sync an account, in a thread of the worker's."""
    hands: Hands = context.additional_context["hands"]
    hands.sync(Wish(**wish))


@app.periodic(cron=EVERY)
@app.task(name=TICK, queue=TICKS, queueing_lock=TICK, pass_context=True)
async def tick(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - Procrastinate passes it
    """Defer the accounts that are due; what waits already is not deferred twice."""
    hands: Hands = context.additional_context["hands"]
    for account in await asyncio.to_thread(hands.due_accounts):
        wish = Wish(account, due=True)
        try:
            await configured(wish).defer_async(**wish._asdict())
        except exceptions.AlreadyEnqueued:
            continue


@app.periodic(cron=EVERY)
@app.task(name=RESCUE, queue=TICKS, queueing_lock=RESCUE, priority=100, pass_context=True)
async def rescue(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - Procrastinate passes it
    """Finish as failed what a dead worker held, and delete what ended a day ago.

    Not put back: with its lock held by itself it would wait for ever. The next tick finds the account due.
    """
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        await manager.finish_job(job, status=Status.FAILED, delete_job=False)
    await manager.delete_old_jobs(
        nb_hours=KEEP_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
