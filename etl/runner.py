"""One call of the sync command: every account by itself, one after the other."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import Engine

from etl.client import Client
from etl.config import AccountSettings
from etl.job import Job, Options, Progress
from etl.outcome import AccountOutcome, SyncOutcome
from etl.pipeline import sync_account
from etl.runs import Run
from etl.warehouse import Warehouse


def sync_accounts(
    engine: Engine,
    accounts: Iterable[AccountSettings],
    options: Options,
    *,
    keep_rejected: timedelta,
    stop: threading.Event,
    show: Callable[[Progress], None] = lambda _: None,
) -> SyncOutcome:
    """What the sync of these accounts came to; one that fails leaves the others alone, a stop ends them all."""
    outcome = SyncOutcome(str(uuid.uuid4()), options.dry_run)
    started = time.perf_counter()
    for settings in accounts:
        if stop.is_set():
            break
        account = AccountOutcome(settings.name)
        outcome.accounts.append(account)
        job = Job(
            settings=settings,
            client=Client(settings, stop=stop),
            warehouse=Warehouse(engine, settings.name, stop=stop, dry_run=options.dry_run),
            run=Run(outcome.run_id, settings.name),
            options=options,
            stop=stop,
            outcome=account,
            keep_rejected=keep_rejected,
            show=show,
        )
        sync_account(job)
    outcome.seconds = time.perf_counter() - started
    return outcome
