"""One call of the sync command: every account by itself, one after the other."""

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from etl.config import AccountSettings
from etl.errors import EtlError, Failure, Interrupted
from etl.extract.client import Client
from etl.sync.outcome import AccountOutcome, SyncOutcome, say_failures
from etl.sync.pipeline import sync_account
from etl.sync.run import AccountRun, Options
from etl.warehouse.counts import Progress
from etl.warehouse.ledger import RunKey
from etl.warehouse.session import Warehouse
from etl.warehouse.writing import comparing


def sync_accounts(  # noqa: PLR0913 - named, all but three
    engine: Engine,
    accounts: Iterable[AccountSettings],
    options: Options,
    *,
    keep_rejected: timedelta,
    keep_runs: timedelta,
    stop: threading.Event,
    warehouse: str | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    run_id: str | None = None,
) -> SyncOutcome:
    """Sync these accounts one after the other; one that fails leaves the others alone.

    A stop ends them all, and so does a database that is gone. `warehouse` is what people call it.
    """
    outcome = SyncOutcome(run_id or new_run_id(), options.dry_run, warehouse)
    engine = comparing(engine) if options.dry_run else engine
    started = time.perf_counter()
    ended: EtlError | None = None
    skipped: list[Failure] = []
    for settings in accounts:
        account = AccountOutcome(settings.name)
        outcome.accounts.append(account)
        if ended := Interrupted("interrupted") if stop.is_set() else ended:
            account.fail(ended)
            skipped += account.failures
            continue
        with account.contained():
            run = AccountRun(
                settings=settings,
                client=Client(settings, stop=stop),
                warehouse=Warehouse(engine, settings.name, run_id=outcome.run_id, stop=stop),
                key=RunKey(outcome.run_id, settings.name),
                options=options,
                stop=stop,
                outcome=account,
                keep_rejected=keep_rejected,
                keep_runs=keep_runs,
                show=show,
            )
            sync_account(run)
            ended = run.warehouse.reason_to_end
        account.say()
    say_failures(skipped)
    outcome.seconds = time.perf_counter() - started
    return outcome


def new_run_id() -> str:
    """Make an id in the order of time, which keeps the ledger's index, and so an idle run's WAL, small."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
