"""What a sync came to: counts, failures, and the exit code that follows from them."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from etl.errors import (
    DONE,
    PARTLY_DONE,
    EtlError,
    Failure,
    Interrupted,
    LockHeld,
    WarehouseReplaced,
    failure_lines,
    named,
    one_line,
)
from etl.load import StoredOtherwise
from etl.warehouse.counts import Counts, Traffic, told_of

log = logging.getLogger(__name__)


@dataclass
class ResourceOutcome:
    """What one resource came to; `complete` if everything was read to its end, `done` units so far."""

    counts: Counts = field(default_factory=Counts)
    traffic: Traffic = field(default_factory=Traffic)
    complete: bool = False
    done: int = 0

    def traffic_to_json(self) -> dict[str, Any]:
        """Return what it cost by name, and how many rows were read in each second."""
        seconds = self.traffic.seconds
        return {**self.traffic.to_json(), "rows_per_second": round(self.counts.read / seconds) if seconds else 0}


@dataclass
class AccountOutcome:
    """What the sync of one account came to; `is_void` if the database has forgotten it.

    `is_skipped` if it was not due, or another sync was at work on it; `reason_to_end` why no other account need try.

    `otherwise` are the stored records that other privacy settings left, if there are any; `unmet` by column that these
    settings name the imports just loaded that seem to have it under another name; none where no import has it.
    """

    account: str
    resources: dict[str, ResourceOutcome] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    new_rejected: int = 0
    is_void: bool = False
    is_skipped: bool = False
    reason_to_end: EtlError | None = None
    otherwise: StoredOtherwise | None = None
    unmet: dict[str, list[str]] = field(default_factory=dict)

    def fail(self, error: EtlError, *, resource: str | None = None, import_id: str | None = None) -> None:
        """Note the error among the failures, once."""
        self.is_void = self.is_void or isinstance(error, WarehouseReplaced)
        failure = Failure(self.account, resource, import_id, error.exit_code, str(error))
        if failure not in self.failures:
            self.failures.append(failure)
            for line in failure_lines([failure]):
                log.debug("%s", line)

    def say(self) -> None:
        """Say what went wrong, each reason once."""
        say_failures(self.failures)
        if self.new_rejected:
            message = "account=%s %d item(s) could not be loaded: see talkdesk.rejected_items"
            log.warning(message, self.account, self.new_rejected)
        self._say_unmet()
        if self.otherwise and self.otherwise.records > self.otherwise.gone:
            log.warning("account=%s %s", self.account, self.otherwise)

    def _say_unmet(self) -> None:
        if absent := [column for column, ids in self.unmet.items() if not ids]:
            message = "account=%s TALKDESK_HASH_COLUMNS: no record just loaded has a column %s; check lists those seen"
            log.warning(message, self.account, ", ".join(map(repr, absent)))
        for column, ids in self.unmet.items():
            if ids:
                message = (
                    "account=%s TALKDESK_HASH_COLUMNS: %d import(s) just loaded have no column %r, but one that no "
                    "template has, which may be its new name (first %s); check lists those seen"
                )
                log.warning(message, self.account, len(ids), column, one_line(ids[0]))

    @contextmanager
    def contained(self) -> Iterator[None]:
        """Note whatever fails inside as this account's failure, so that the next account has its turn."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a border: nobody knows what may come
            self.fail(named(error))

    def has_failed(self, *resources: str) -> bool:
        """Tell whether anything of these resources was not synced."""
        return any(failure.resource in resources for failure in self.failures)

    @property
    def synced_anything(self) -> bool:
        """True if any resource was synced, in part at least; what was only read, or lost since, was not."""
        return not self.is_void and any(
            outcome.complete or outcome.counts.stored for outcome in self.resources.values()
        )

    @property
    def outcome(self) -> str:
        """The word of the contract for this account's run."""
        codes = {failure.exit_code for failure in self.failures}
        if Interrupted.exit_code in codes:
            return "interrupted"
        if codes == {LockHeld.exit_code}:
            return "busy"
        if not codes and not self.new_rejected:
            return "succeeded"
        return "partial" if self.synced_anything else "failed"

    @property
    def ledger_outcome(self) -> str:
        """The ledger's word: a busy account leaves no row, so one that has a row lost its lock on the way."""
        return "failed" if self.outcome == "busy" else self.outcome


def say_failures(failures: Iterable[Failure]) -> None:
    """Say each reason once, on stderr."""
    for line in failure_lines(failures):
        log.error("%s", line)


@dataclass
class SyncOutcome:
    """What one call of the sync command came to."""

    run_id: str
    dry_run: bool
    warehouse: str | None = None
    accounts: list[AccountOutcome] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failures(self) -> list[Failure]:
        """The failures of all accounts."""
        return [failure for account in self.accounts for failure in account.failures]

    @property
    def skipped(self) -> list[str]:
        """The accounts that were not due, or on which another sync was at work."""
        return [account.account for account in self.accounts if account.is_skipped]

    @property
    def tried(self) -> list[AccountOutcome]:
        """The other accounts."""
        return [account for account in self.accounts if not account.is_skipped]

    @property
    def outcome(self) -> str:
        """The accounts' common word; `partial` where they differ. Where there was nothing to do, nothing failed."""
        words = {account.outcome for account in self.tried} or {"succeeded"}
        if "interrupted" in words:
            return "interrupted"
        return words.pop() if len(words) == 1 else "partial"

    @property
    def exit_code(self) -> int:
        """The exit code of the contract: 8 if anything was synced, else that of the first failure."""
        codes = [failure.exit_code for failure in self.failures]
        if Interrupted.exit_code in codes:
            return Interrupted.exit_code
        if not codes and not any(account.new_rejected for account in self.accounts):
            return DONE
        return PARTLY_DONE if any(account.synced_anything for account in self.accounts) else codes[0]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `sync --json` prints."""
        return {
            "run_id": self.run_id,
            "warehouse": self.warehouse,
            "outcome": self.outcome,
            "dry_run": self.dry_run,
            "accounts": {account.account: _counts(account) for account in self.tried},
            "skipped": self.skipped,
            "rejected": sum(self._each(lambda outcome: outcome.counts.rejected)),
            "requests": sum(self._each(lambda outcome: outcome.traffic.requests)),
            "seconds": round(self.seconds, 3),
            "errors": [failure.to_json() for failure in self.failures],
            "stored_otherwise": {a.account: a.otherwise._asdict() for a in self.accounts if a.otherwise},
            "traffic": {account.account: _traffic(account) for account in self.tried},
        }

    def _each(self, number: Any) -> Iterable[int]:
        return (number(outcome) for account in self.accounts for outcome in account.resources.values())


def _counts(account: AccountOutcome) -> dict[str, Any]:
    empty = ResourceOutcome()
    return {
        resource: account.resources.get(resource, empty).counts.to_json() for resource in told_of(account.resources)
    }


def _traffic(account: AccountOutcome) -> dict[str, Any]:
    return {resource: outcome.traffic_to_json() for resource, outcome in account.resources.items()}
