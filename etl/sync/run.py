"""One account's sync under way: its tools, its options, and the notes that end up in the ledger."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Concatenate, Literal, NamedTuple, ParamSpec, Self, TypeVar

from sqlalchemy import Connection

from etl import load
from etl.config import AccountSettings
from etl.errors import DatabaseError, Interrupted, LockHeld, SourceChanged, WarehouseReplaced, named
from etl.extract.client import Client, Requests
from etl.instants import Window
from etl.load import Stored
from etl.reading.reader import Source
from etl.rows import Rejected
from etl.sync.outcome import AccountOutcome, ResourceOutcome
from etl.sync.stopping import AccountStop
from etl.warehouse import binding, ledger
from etl.warehouse.binding import Origin
from etl.warehouse.counts import Progress, Traffic, resources_of, told_of
from etl.warehouse.ledger import RunKey
from etl.warehouse.session import REPLACED, Warehouse

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


MOMENT = timedelta(minutes=10)
"""As many days ago as the source remembers was that long ago when the command began."""


class Options(NamedTuple):
    """What the sync command was asked for; `due` accounts alone are synced: their last run began so long ago."""

    only: Literal["imports", "case-fields", "users"] | None = None
    window: Window | None = None
    full: bool = False
    dry_run: bool = False
    accept_source: bool = False
    due: timedelta | None = None

    @property
    def wants_imports(self) -> bool:
        """False if only another part is wanted."""
        return self.only in {None, "imports"}

    @property
    def wants_case_fields(self) -> bool:
        """A backfill leaves the case fields alone."""
        return self.only in {None, "case-fields"} and self.window is None

    @property
    def wants_users(self) -> bool:
        """A backfill leaves the users alone."""
        return self.only in {None, "users"} and self.window is None


@dataclass
class AccountRun:
    """Everything that the steps of one account's sync share.

    `is_recognised` once the source has shown that it is the account's; None until somebody has asked. `met_columns` of
    those that the privacy settings name; None while no record with cells was loaded.
    """

    settings: AccountSettings
    client: Client
    warehouse: Warehouse
    key: RunKey
    options: Options
    stop: AccountStop
    outcome: AccountOutcome
    keep_rejected: timedelta
    keep_runs: timedelta
    show: Callable[[Progress], None] = lambda _: None
    is_recognised: bool | None = None
    met_columns: frozenset[str] | None = None
    _bound: Origin | None = None
    _is_open: bool = False
    _unsaved: dict[str, ResourceOutcome] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The name that stands first in every key."""
        return self.settings.name

    @property
    def source(self) -> Source:
        """What reading the account's source needs."""
        return Source.of(self.settings, self.client, stop=self.stop.event)

    @property
    def retention(self) -> timedelta:
        """How long the source remembers an import."""
        return timedelta(days=self.settings.retention_days)

    @property
    def origin(self) -> Origin:
        """Where the account is read from."""
        return Origin.of(self.settings)

    @property
    def needs_proof(self) -> bool:
        """True if the client is another one and nothing tells yet that it is this account's."""
        return not self.is_recognised and self._bound is not None and self._bound != self.origin

    @property
    def wants_imports(self) -> bool:
        """True if they are asked for, and the account has any."""
        return self.options.wants_imports and "imports" in self.settings.resources

    @property
    def wants_case_fields(self) -> bool:
        """True if they are asked for, and the account has any."""
        return self.options.wants_case_fields and "case-fields" in self.settings.resources

    @property
    def wants_users(self) -> bool:
        """True if the settings ask for them, and so does the command."""
        return self.options.wants_users and "users" in self.settings.parts

    def open(self) -> bool:
        """Open the run: the account's lock is held and the run is on record; raise if it would read another source.

        False, and nothing is opened, if only due accounts are wanted and this one is not, or another sync has it.
        """
        try:
            self.warehouse.open()
        except LockHeld:
            self.outcome.is_skipped = self.options.due is not None
            if not self.outcome.is_skipped:
                raise
            return False
        self.outcome.is_skipped = not self.warehouse.transact(self._start)
        if self.outcome.is_skipped:
            return False
        self.warehouse.is_on_record = not self.options.dry_run
        self._is_open = True
        if self.options.accept_source:
            self.is_recognised = True
        else:
            binding.require_same_place(self.account, self._bound, self.origin)
        return True

    def bind(self, connection: Connection) -> None:
        """Bind the account to where it was read from, inside a transaction that stores what was read."""
        if self._bound != self.origin:
            binding.bind(connection, self.account, self.origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        """Close the run; what ended it stands in its outcome, and goes no further."""
        if isinstance(error, Exception):
            self.outcome.fail(self.stop.explain(named(error)))
        self.close()
        return isinstance(error, Exception)

    def close(self) -> None:
        """Close the run with its outcome, if the database lets it; lock and connections are free."""
        self.warehouse.closing()
        if (reason := self.warehouse.reason_to_end) and not self.warehouse.is_gone:
            self.outcome.fail(reason)
        if self._is_open and not self.warehouse.is_gone:
            try:
                self.warehouse.transact(self._finish)
            except (DatabaseError, Interrupted, LockHeld) as error:
                self.outcome.fail(self.stop.explain(error))
        self.warehouse.close()
        self.client.close()

    @contextmanager
    def resource(self, name: str, *more: str) -> Iterator[list[ResourceOutcome]]:
        """Contain whatever fails inside: it ends these resources alone, and their counts reach the ledger."""
        notes = {each: ResourceOutcome() for each in (name, *more)}
        self.outcome.resources.update(notes)
        self.show(Progress(self.account, name))
        before, started = self.client.counts, time.perf_counter()
        with self._contained(name):
            try:
                yield list(notes.values())
            finally:
                self._measure(notes[name].traffic, before, started)
                for each, note in notes.items():
                    self._log(each, note)
                self._unsaved.update(notes)
        with self._contained(name):
            self.warehouse.transact(self._save_resources)
            self._unsaved.clear()

    @contextmanager
    def _contained(self, resource: str) -> Iterator[None]:
        """Note what fails inside as the resource's failure; a stop, a lost lock or database, another source end all."""
        try:
            yield
        except (Interrupted, LockHeld, SourceChanged, WarehouseReplaced):
            raise
        except Exception as error:
            if self.warehouse.reason_to_end:
                raise
            self.outcome.fail(named(error), resource=resource)

    def load(
        self,
        note: ResourceOutcome,
        unit: Callable[Concatenate[Connection, P], T],
        *arguments: P.args,
        **named: P.kwargs,
    ) -> T:
        """Commit the unit and return its result; its seconds count as loading."""
        started = time.perf_counter()
        try:
            return self.warehouse.transact(unit, *arguments, **named)
        finally:
            note.traffic.load_seconds += time.perf_counter() - started

    def awaited(self, note: ResourceOutcome, batches: Iterable[T]) -> Iterator[T]:
        """Yield the same batches; the seconds until each is there count as waiting."""
        started = time.perf_counter()
        for batch in batches:
            note.traffic.waiting_seconds += time.perf_counter() - started
            yield batch
            started = time.perf_counter()

    def reject(self, note: ResourceOutcome, items: Collection[Rejected]) -> None:
        """Keep the items as rejected; in a full sync the standing ones count as new."""
        if not items:
            return
        new = self.load(note, load.keep_rejected, self.account, self.key.run_id, list(items))
        self._note_rejected(note, len(items), new)

    def reject_refused(self, connection: Connection, stored: Stored) -> int:
        """Keep what the database refused as rejected, inside a transaction; says how many items are new."""
        return load.keep_rejected(connection, self.account, self.key.run_id, stored.rejected)

    def note_stored(self, note: ResourceOutcome, stored: Stored, new: int) -> None:
        """Note what became of the items, the newly rejected among them."""
        note.counts.add(stored.counts)
        self._note_rejected(note, len(stored.rejected), new)

    def _note_rejected(self, note: ResourceOutcome, number: int, new: int) -> None:
        note.counts.rejected += number
        self.outcome.new_rejected += number if self.options.full else new

    def progress(self, name: str, note: ResourceOutcome, more: int, total: int) -> None:
        """Show how far the resource is."""
        note.done += more
        self.show(Progress(self.account, name, note.done, total, note.counts.read))

    def _start(self, connection: Connection) -> bool:
        """Record the run as running, inside a transaction; False if the account is not due, or not any more."""
        if self.options.due is not None and not ledger.is_due(connection, self.account, self.options.due):
            return False
        if "imports" in self.settings.resources:
            warn_of_gap(self.account, ledger.seconds_since_listing(connection, self.account), self.retention)
        if self.wants_imports:
            warn_of_window(self.account, self.options.window, self.retention)
        self._bound = binding.origin_of(connection, self.account)
        died = ledger.start_run(connection, self.key, window=self.options.window, options=self._options())
        if died:
            log.warning("account=%s %d earlier run(s) had died and are closed", self.account, died)
        ledger.fold_runs(connection, self.account, self.keep_runs, told_of(resources_of(self.settings.parts)))
        load.prune_rejected(connection, self.account, self.keep_rejected)
        return True

    def _options(self) -> dict[str, Any]:
        return {
            "only": self.options.only,
            "full": self.options.full,
            "accept_source": self.options.accept_source,
            "resources": self.settings.parts,
            "retention_days": self.settings.retention_days,
            "record_data": self.settings.record_data,
            "users": self.settings.users,
        }

    def _measure(self, traffic: Traffic, before: Requests, started: float) -> None:
        after = self.client.counts
        traffic.requests = after.requests - before.requests
        traffic.retries = after.retries - before.retries
        traffic.bytes = after.bytes - before.bytes
        traffic.fetch_seconds = after.seconds - before.seconds
        traffic.seconds = time.perf_counter() - started

    def _finish(self, connection: Connection) -> None:
        first = next((failure.message for failure in self.outcome.failures), None)
        self._save_resources(connection)
        found = ledger.finish_run(connection, self.key, outcome=self.outcome.ledger_outcome, error=first)
        if self.warehouse.is_on_record and not found:
            raise WarehouseReplaced(REPLACED)

    def _save_resources(self, connection: Connection) -> None:
        for name, note in self._unsaved.items():
            ledger.save_resource(
                connection, self.key, name, counts=note.counts, traffic=note.traffic, complete=note.complete
            )

    def _log(self, name: str, note: ResourceOutcome) -> None:
        pairs = {
            **note.counts.to_json(),
            "requests": note.traffic.requests,
            "seconds": round(note.traffic.seconds, 2),
        }
        tail = " ".join(f"{key}={value}" for key, value in pairs.items())
        log.info("account=%s resource=%s %s complete=%s", self.account, name, tail, note.complete)


def warn_of_gap(account: str, seconds: float | None, retention: timedelta) -> None:
    """Say so if imports may have come and gone since the list was last read whole."""
    if seconds is not None and seconds > retention.total_seconds():
        message = (
            "account=%s the last complete listing is %.1f days old, the source forgets after %d: imports may be lost"
        )
        log.warning(message, account, seconds / 86_400, retention.days)


def warn_of_window(account: str, window: Window | None, retention: timedelta) -> None:
    """Say so if a backfill asks for more than the source can still know, or for what nobody can know yet."""
    now = datetime.now(UTC)
    if window is not None and window.reaches_before(now - retention - MOMENT):
        message = (
            "account=%s the window reaches back more than %d days: what the source has forgotten cannot be fetched"
        )
        log.warning(message, account, retention.days)
    if window is not None and not window.reaches_before(now):
        log.warning("account=%s the window lies in the future: no import can have been created in it", account)
