"""One call of the sync command: every account by itself, some of them side by side."""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from etl.config import AccountSettings
from etl.errors import EtlError
from etl.extract.client import Client
from etl.sync.outcome import AccountOutcome, SyncOutcome, say_failures
from etl.sync.pipeline import sync_account
from etl.sync.run import AccountRun, Options
from etl.sync.stopping import AccountStop, Stops
from etl.sync.turns import Turns
from etl.threads import parallel
from etl.warehouse.counts import Progress
from etl.warehouse.ledger import RunKey
from etl.warehouse.session import AT_ONCE, LOCK_WAIT, Warehouse
from etl.warehouse.writing import comparing

LIMIT = timedelta(minutes=15)


def new_run_id() -> str:
    """Make an id in the order of time, which keeps the ledger's index, and so an idle run's WAL, small."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Call:
    """What all accounts of one call are synced with; a stop ends them all, `limit` how long each may take."""

    engine: Engine
    options: Options
    keep_rejected: timedelta
    keep_runs: timedelta
    stop: threading.Event
    limit: timedelta = LIMIT
    show: Callable[[Progress], None] = lambda _: None
    run_id: str = field(default_factory=new_run_id)

    def sync_account(self, settings: AccountSettings, stop: AccountStop) -> AccountOutcome:
        """Sync this account now, if it is due and free; what failed stands in the outcome, and is said."""
        outcome = AccountOutcome(settings.name)
        with outcome.contained():
            run = self._run(settings, stop, outcome)
            sync_account(run)
            outcome.reason_to_end = run.warehouse.reason_to_end
        self.show(Progress(settings.name, None))
        outcome.say()
        return outcome

    def _run(self, settings: AccountSettings, stop: AccountStop, outcome: AccountOutcome) -> AccountRun:
        return AccountRun(
            settings=settings,
            client=Client(settings, stop=stop.event),
            warehouse=Warehouse(
                comparing(self.engine) if self.options.dry_run else self.engine,
                settings.name,
                run_id=self.run_id,
                stop=stop.event,
                lock_wait=LOCK_WAIT if self.options.due is None else AT_ONCE,
            ),
            key=RunKey(self.run_id, settings.name),
            options=self.options,
            stop=stop,
            outcome=outcome,
            keep_rejected=self.keep_rejected,
            keep_runs=self.keep_runs,
            show=self.show,
        )


def sync_accounts(
    call: Call, accounts: Sequence[AccountSettings], *, jobs: int = 1, warehouse: str | None = None
) -> SyncOutcome:
    """Sync these accounts, so many side by side; one that fails leaves the others alone.

    A stop ends them all, and so does a database that is gone. `warehouse` is what people call it.
    """
    started = time.perf_counter()
    turns = Turns(call.engine, accounts, jobs=jobs, due=call.options.due, stop=call.stop)
    with Stops(call.stop, call.limit) as stops:

        def take_turn(settings: AccountSettings) -> AccountOutcome:
            with stops.own() as stop:
                outcome = call.sync_account(settings, stop)
            turns.note(outcome.reason_to_end)
            return outcome

        # Nobody abandons a turn: at a stop each account closes its own run.
        batches = parallel(take_turn, turns, workers=jobs, stop=threading.Event())
        ended = {outcome.account: outcome for batch in batches for outcome in batch}
    ended |= _without_a_turn(turns.left, turns.ended)
    return SyncOutcome(
        call.run_id,
        call.options.dry_run,
        warehouse,
        [ended[settings.name] for settings in accounts],
        time.perf_counter() - started,
    )


def _without_a_turn(left: dict[str, AccountSettings], reason: EtlError | None) -> dict[str, AccountOutcome]:
    """Return what those came to that had no turn: they failed for that reason, or they were not due."""
    outcomes = {name: AccountOutcome(name, is_skipped=reason is None) for name in left}
    if reason is not None:
        for outcome in outcomes.values():
            outcome.fail(reason)
        say_failures([failure for outcome in outcomes.values() for failure in outcome.failures])
    return outcomes
