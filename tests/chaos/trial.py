"""One account of a warehouse, and the sandbox that it is synced from."""

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from etl.config import AccountSettings
from etl.errors import DONE
from etl.sandbox import Sandbox
from etl.sync.accounts import Call, sync_accounts
from etl.sync.outcome import SyncOutcome
from etl.sync.run import Options
from etl.warehouse.ledger import OF_ALL
from tests.chaos.level import Item, assert_level, assert_orderly, opened

BOUND = 20.0
PATIENT: dict[str, Any] = {"timeout": 10.0, "retry_seconds": 30.0}
IMPATIENT: dict[str, Any] = {"timeout": 0.3, "retry_seconds": 0.3}


@dataclass
class Trial:
    """Syncs one account from one sandbox; every sync has to end in bounded time and leave order behind."""

    sandbox: Sandbox
    engine: Engine
    url: str
    account: str
    settings: dict[str, Any] = field(default_factory=dict)

    def rows(self, table: str) -> list[Item]:
        """The account's rows in a table or view."""
        with opened(self.url, self.account) as warehouse:
            return warehouse.rows(table)

    def snapshot(self) -> dict[str, list[Item]]:
        """Every row of data as it stands, and what wrote it."""
        with opened(self.url, self.account) as warehouse:
            return warehouse.snapshot()

    def account_settings(self, **more: Any) -> AccountSettings:
        """The settings of a sync, with these instead of the usual ones."""
        usual = {
            "name": self.account,
            "api_url": self.sandbox.url,
            "token_url": self.sandbox.token_url,
            "client_id": "sandbox",
            "client_secret": "sandbox",
        }
        return AccountSettings(**{**usual, **PATIENT, **self.settings, **more})

    def sync(self, options: Options | None = None, **settings: Any) -> SyncOutcome:
        """What a sync comes to."""
        begun = time.monotonic()
        outcome = sync_accounts(
            Call(
                self.engine,
                options or Options(),
                keep_rejected=timedelta(days=1),
                keep_runs=timedelta(days=400),
                stop=threading.Event(),
            ),
            [self.account_settings(**settings)],
        )

        assert time.monotonic() - begun < BOUND
        assert_orderly(self.url, self.account)
        return outcome

    def load(self) -> None:
        """Afterwards the warehouse is level."""
        assert_succeeded(self.sync())
        self.assert_level()

    def assert_level(self) -> None:
        """The warehouse says what the sandbox says."""
        assert_level(self.sandbox, self.url, self.account)

    def assert_idle(self) -> None:
        """One more sync changes nothing: no count, no row of data, no version."""
        before = self.snapshot()
        outcome = self.sync()

        assert_succeeded(outcome)
        assert {(0, 0, 0)} == {changes(outcome, resource) for resource in OF_ALL}
        assert before == self.snapshot()

    def assert_recovers(self) -> None:
        """Without faults the next plain sync puts the warehouse level, and the one after is idle."""
        self.sandbox.faults.clear()
        self.load()
        self.assert_idle()


def changes(outcome: SyncOutcome, resource: str) -> tuple[int, int, int]:
    """How many rows of the resource were inserted, updated and removed."""
    counts = outcome.accounts[0].resources[resource].counts
    return counts.inserted, counts.updated, counts.removed


def assert_succeeded(outcome: SyncOutcome) -> None:
    """Nothing went wrong, and everything was read to its end."""
    assert "" == messages(outcome)
    assert (DONE, "succeeded") == (outcome.exit_code, outcome.outcome)
    assert all(outcome.accounts[0].resources[resource].complete for resource in OF_ALL)


def messages(outcome: SyncOutcome) -> str:
    """All that the failures say; each says it in one line."""
    said = [failure.message for failure in outcome.failures]

    assert not any("\n" in message or not message for message in said)
    return " | ".join(said)
