"""One machine's worker: it takes accounts from the queue, so many at a time, until it is stopped."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from procrastinate import exceptions

from etl.config import AccountSettings
from etl.errors import DatabaseError, EtlError, UsageError
from etl.fleet.connecting import async_connector
from etl.fleet.ready import require_ready
from etl.fleet.tasks import ACCOUNTS, HEARTBEAT_SECONDS, STALLED_SECONDS, TICKS, Wish, app
from etl.instants import Window, parse_instant
from etl.sync.accounts import Call, new_run_id
from etl.sync.outcome import AccountOutcome
from etl.sync.run import Options
from etl.sync.stopping import Stops
from etl.warehouse import ledger

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
ENDED = "the queue cannot be reached any more: is the database running? Start the worker again"


@dataclass
class Worked:
    """What became of the jobs of a worker so far."""

    synced: int = 0
    failed: int = 0
    skipped: int = 0
    interrupted: int = 0
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, outcome: AccountOutcome) -> None:
        """Count an account's outcome."""
        with self._lock:
            if outcome.is_skipped:
                self.skipped += 1
            elif outcome.outcome == "interrupted":  # by our own stop: others go on from there
                self.interrupted += 1
            elif outcome.failures:
                self.failed += 1
            else:
                self.synced += 1

    def to_json(self) -> dict[str, Any]:
        """Return the counts by name, as `worker --json` prints them."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class JobFailed(EtlError):
    """A job's account was not synced; why has been said, and stands in the ledger."""


@dataclass(frozen=True)
class Machine:
    """Syncs what jobs ask for, with the settings of this machine; a Hands of `tasks`."""

    call: Call
    accounts: Mapping[str, AccountSettings]
    due: timedelta
    stops: Stops
    worked: Worked

    def sync(self, wish: Wish) -> None:
        """Sync the account now, if it is due and free; raise if that failed."""
        settings = self.accounts.get(wish.account)
        if settings is None:
            log.error("account=%s is in the queue, but not configured here", wish.account)
            raise JobFailed(wish.account)
        call = replace(self.call, options=self._options(wish), run_id=new_run_id())
        with self.stops.own() as stop:
            outcome = call.sync_account(settings, stop)
        self.worked.note(outcome)
        if outcome.failures:
            raise JobFailed(wish.account)
        if not outcome.is_skipped:
            log.info("account=%s run=%s %s", wish.account, call.run_id, outcome.outcome)

    def due_accounts(self) -> list[str]:
        """Name the configured accounts that are due and free, the stalest first."""
        with self.call.engine.connect() as connection, connection.begin():
            return ledger.due_accounts(connection, list(self.accounts), self.due, len(self.accounts))

    def _options(self, wish: Wish) -> Options:
        window = Window(parse_instant(wish.since), parse_instant(wish.until))
        return Options(
            window=window if window != (None, None) else None,
            full=wish.full,
            due=self.due if wish.due else None,
        )


def work(url: str, call: Call, accounts: Sequence[AccountSettings], *, jobs: int = 1, due: timedelta) -> Worked:
    """Work until the call's stop is set: the accounts under way are then closed, and others take their turn elsewhere.

    Raises if the queue cannot be reached any more.
    """
    if not accounts:
        raise UsageError("no account is configured")
    require_ready(url, stop=call.stop)
    # What goes wrong with a job is said by the sync, or by us; Procrastinate's own words are tracebacks.
    for name in ("procrastinate", "psycopg.pool", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    worked, started = Worked(), time.perf_counter()
    with Stops(call.stop, call.limit) as stops:
        machine = Machine(call, {settings.name: settings for settings in accounts}, due, stops, worked)
        with app.replace_connector(async_connector(url)):
            is_well = asyncio.run(_run(machine, jobs, call.stop))
    worked.seconds = round(time.perf_counter() - started, 3)
    if not is_well:
        raise DatabaseError(ENDED)
    return worked


async def _run(machine: Machine, jobs: int, stop: threading.Event) -> bool:
    """Run Procrastinate's workers until the stop, or until one of them ends by itself, which is not well."""
    # Syncs run in threads: the loop's own would be too few for many jobs.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(jobs + 4, thread_name_prefix="job"))
    is_stopped = False
    with suppress(exceptions.ConnectorException):
        async with app.open_async():
            workers = [
                asyncio.create_task(_worker(machine, ACCOUNTS, jobs)),
                asyncio.create_task(_worker(machine, TICKS, 1)),
            ]
            while not (is_stopped or any(worker.done() for worker in workers)):
                await asyncio.sleep(LOOK_SECONDS)
                is_stopped = stop.is_set()
            stop.set()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    return is_stopped


async def _worker(machine: Machine, queue: str, concurrency: int) -> None:
    await app.run_worker_async(
        queues=[queue],
        concurrency=concurrency,
        name=queue,
        fetch_job_polling_interval=2.0,
        install_signal_handlers=False,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=STALLED_SECONDS,
        additional_context={"hands": machine},
    )
