"""The story of a verification: read the source, compare it with the warehouse, note what differs; per account."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from etl import load
from etl.config import AccountSettings
from etl.errors import EtlError, Interrupted, NotStorable, SourceChanged, SourceMalformed, named
from etl.extract.client import Client
from etl.load import CASE_FIELDS, ENTRIES, IMPORTS, USERS, Key
from etl.reading.case_fields import CaseFields, read_case_fields
from etl.reading.expiry import find_forgotten
from etl.reading.listing import Link, Listing, link_of, read_listing
from etl.reading.reader import Source
from etl.reading.recognition import is_recognised, refuse_unrecognised
from etl.reading.records import Records, read_records
from etl.reading.users import Users, read_users
from etl.verify.history import compare_history, newest_listed, ran_since
from etl.verify.records import (
    ImportFinding,
    RecordFinding,
    compare_contents,
    compare_records,
    compare_storable,
    summed_up,
)
from etl.verify.session import Session, open_session
from etl.verify.verification import Difference, Verification
from etl.verify.versioned import Finding, compare_absent, compare_rows
from etl.warehouse import binding
from etl.warehouse.binding import Origin
from etl.warehouse.counts import Progress, resources_of


def verify_accounts(
    url: str,
    accounts: Iterable[AccountSettings],
    *,
    deep: bool,
    stop: threading.Event,
    warehouse: str | None = None,
    show: Callable[[Progress], None] = lambda _: None,
) -> Verification:
    """Verify the warehouse, which people call `warehouse`, against the source.

    `deep` names each record and column, and looks for damage in what the source can no longer be asked for.
    """
    verification = Verification(warehouse=warehouse)
    with open_session(url, stop=stop) as session:
        for settings in accounts:
            with contained(verification, session, settings.name), closing(Client(settings, stop=stop)) as client:
                source = Source.of(settings, client, stop=stop)
                comparison = Comparison(settings, source, session, verification, deep=deep, show=show)
                binding.require_same_place(comparison.name, comparison.bound, comparison.origin)
                if "imports" in settings.resources:
                    verify_imports(comparison)
                if "case-fields" in settings.resources:
                    verify_case_fields(comparison)
                if "users" in settings.parts:
                    verify_users(comparison)
                if deep:
                    verify_history(comparison)
    return verification


@contextmanager
def contained(
    verification: Verification, session: Session, account: str, *, resource: str | None = None
) -> Iterator[None]:
    """Note whatever fails inside as the failure of this account or resource; a stop or a lost database ends all.

    Another source ends the account.
    """
    try:
        yield
    except Interrupted:
        raise
    except SourceChanged as error:
        if resource:
            raise
        verification.fail(account, error, resource=None)
    except Exception as error:
        if session.is_lost:
            raise
        verification.fail(account, named(error), resource=resource)


@dataclass
class Comparison:
    """What the steps of one account's verification share."""

    settings: AccountSettings
    source: Source
    session: Session
    verification: Verification
    deep: bool
    show: Callable[[Progress], None]
    since: datetime = field(init=False)
    bound: Origin | None = field(init=False)

    def __post_init__(self) -> None:
        """Note the database's instant at which the verification began, and what the account is bound to."""
        self.since = self.session.read(lambda connection: connection.execute(select(func.now())).scalar_one())
        self.bound = self.session.read(binding.origin_of, self.name)

    @property
    def name(self) -> str:
        """The name that stands first in every key."""
        return self.settings.name

    @property
    def origin(self) -> Origin:
        """Where the account is read from."""
        return Origin.of(self.settings)

    @property
    def retention(self) -> timedelta:
        """How long the source remembers an import."""
        return timedelta(days=self.settings.retention_days)

    @contextmanager
    def resource(self, name: str) -> Iterator[None]:
        """Contain whatever fails inside: it ends this resource alone."""
        self.progress(name)
        with contained(self.verification, self.session, self.name, resource=name):
            yield

    def fail(self, error: EtlError, *, resource: str, import_id: str | None = None) -> None:
        """Note the error among the failures."""
        self.verification.fail(self.name, error, resource=resource, import_id=import_id)

    def note(self, resource: str, findings: Iterable[Finding], *, moving: Collection[str] = ()) -> None:
        """Note the findings as differences; what has no history moved if its neighbours did."""
        for key, path, column, kind in findings:
            judged = kind or ("moved" if key in moving else "different")
            self.verification.differences.append(Difference(self.name, resource, key, path, column, judged))

    def count(self, resource: str, number: int) -> None:
        """Count so many more rows as compared."""
        self.verification.compared.setdefault(self.name, Counter())[resource] += number

    def progress(self, resource: str, done: int = 0, total: int | None = None) -> None:
        """Show how far the resource is."""
        rows = self.verification.compared.get(self.name, Counter())[resource]
        self.show(Progress(self.name, resource, done, total, rows))


def verify_imports(comparison: Comparison) -> None:
    """Compare the list column by column; then the records of every import that is here."""
    listing, findings = Listing(), list[Finding]()
    with comparison.resource("imports"):
        listing = read_listing(comparison.source)
        require_recognised(comparison, listing)
        gone = find_gone(comparison, listing)
        findings = comparison.session.read(compare_imports, account=comparison.name, listing=listing, gone=gone)
        comparison.note("imports", findings)
        comparison.count("imports", len(listing.rows))
        listing.reading.require_whole("imports")
    new = {found.key for found in findings if found.column is None and found.kind == "moved"}
    links = [link_of(row) for import_id, row in listing.rows.items() if import_id not in new]
    moving = {found.key for found in findings if found.kind == "moved"}
    with comparison.resource("import_records"):
        verify_records(comparison, links, moving)


def require_recognised(comparison: Comparison, listing: Listing) -> None:
    """Raise if a sync would refuse the listing: whatever another account has is different, and nobody's damage."""
    is_known = comparison.session.read(load.recognises, comparison.name, listing.listed, retention=comparison.retention)
    needs_proof = comparison.bound is not None and comparison.bound != comparison.origin
    if not is_recognised(is_known=is_known, needs_proof=needs_proof):
        refuse_unrecognised(
            comparison.name, listing, needs_proof=needs_proof, retention=comparison.retention, full=False
        )


def find_gone(comparison: Comparison, listing: Listing) -> list[Key]:
    """Find the imports here that the source has forgotten; one that the list had skipped is added to it."""
    if not listing.reading.is_whole:
        return []
    missing = comparison.session.read(
        load.missing_imports, comparison.name, listing.ids, retention=comparison.retention
    )
    if listing.reading.is_blank_beside(missing):
        raise SourceMalformed("the answer held no list of imports: a sync marks none as expired (--full accepts it)")
    forgotten = find_forgotten(comparison.source, listing, missing)
    for import_id, failure in forgotten.failed:
        comparison.fail(failure, resource="imports", import_id=import_id)
    listing.add(forgotten.found)
    return [(import_id,) for import_id in sorted(forgotten.gone)]


def compare_imports(connection: Connection, *, account: str, listing: Listing, gone: Sequence[Key]) -> list[Finding]:
    """Compare the stored imports with those listed, inside a transaction."""
    rows: dict[Key, bytes] = {(import_id,): row for import_id, row in listing.rows.items()}
    found = compare_rows(connection, IMPORTS, account, rows, newest_listed=newest_listed(connection, account))
    return found + compare_absent(connection, IMPORTS, account, gone)


def verify_records(comparison: Comparison, links: Sequence[Link], moving: Collection[str]) -> None:
    """Compare records; of imports that move, or were still to be loaded, they have moved; all else is damage.

    What differs is read and compared once more if a sync was at work meanwhile, which may have brought it.
    """
    found = compare_all(comparison, links, moving)
    doubtful = {difference.key for difference in found if difference.kind != "moved"}
    if doubtful and sync_was_at_work(comparison):
        found = [difference for difference in found if difference.key not in doubtful]
        found += compare_all(comparison, [link for link in links if link.import_id in doubtful], moving)
    comparison.verification.differences += found


def sync_was_at_work(comparison: Comparison) -> bool:
    """Tell whether a sync may have written since the verification began."""
    return comparison.session.read(ran_since, account=comparison.name, since=comparison.since)


def compare_all(comparison: Comparison, links: Sequence[Link], moving: Collection[str]) -> list[Difference]:
    """Return how the records of these imports differ; failures are noted."""
    found = list[Difference]()
    ids = [link.import_id for link in links]
    pending = comparison.session.read(load.pending_imports, account=comparison.name, ids=ids)
    done = 0
    for batch in read_records(comparison.source, links, known=set(ids)):
        for records in batch:
            if records.failure is not None:
                comparison.fail(records.failure, resource="import_records", import_id=records.link.import_id)
        readable = [records for records in batch if records.rows is not None and records.failure is None]
        readable = without_erased(comparison, without_known_better(comparison, readable))
        for difference in (compare_each if comparison.deep else compare_together)(comparison, readable):
            is_moving = difference.key in pending or difference.key in moving
            found.append(difference._replace(kind="moved") if is_moving else difference)
        comparison.count("import_records", sum(len(records.rows or ()) for records in readable))
        done += len(batch)
        comparison.progress("import_records", done, len(links))
    return found


def without_known_better(comparison: Comparison, batch: list[Records]) -> list[Records]:
    """Leave out the error files of imports whose records were once had: there is nothing more to compare them with."""
    ids = [records.link.import_id for records in batch if records.came_from == "errors_file"]
    if not ids:
        return batch
    known = comparison.session.read(load.with_own_records, comparison.name, ids)
    return [records for records in batch if records.link.import_id not in known]


def without_erased(comparison: Comparison, batch: list[Records]) -> list[Records]:
    """Return the records as a sync would store them: what was erased stays without its cells."""
    erased = comparison.session.read(
        load.erased_records, comparison.name, [records.link.import_id for records in batch]
    )
    return [_blanked(records, erased.get(records.link.import_id)) for records in batch]


def _blanked(records: Records, erased: load.Erased | None) -> Records:
    if erased is None or records.rows is None:
        return records
    rows, errors = erased.blank(records.rows, records.errors)
    return records._replace(rows=rows, errors=errors)


def compare_together(comparison: Comparison, batch: Sequence[Records]) -> Iterator[Difference]:
    """Compare the imports' records as wholes; one that the database cannot take in stops only itself."""
    try:
        found = compare_batch(comparison, batch)
    except NotStorable:
        if len(batch) > 1:
            for records in batch:
                yield from compare_together(comparison, [records])
            return
        found = sum_up_each(comparison, batch)
    for import_id, kind, rows in found:
        yield Difference(comparison.name, "import_records", import_id, None, None, kind, rows)


def compare_batch(comparison: Comparison, batch: Sequence[Records]) -> list[ImportFinding]:
    """Return the imports whose records differ: told by temporary tables where there are some, else record by record."""
    if comparison.session.can_stage:
        return comparison.session.stage(lambda connection: [*compare_contents(connection, comparison.name, batch)])
    return sum_up_each(comparison, batch)


def sum_up_each(comparison: Comparison, batch: Sequence[Records]) -> list[ImportFinding]:
    """Return the imports whose records differ, told record by record."""
    return [summed_up(records.link.import_id, records, found) for records, found in compare_singly(comparison, batch)]


def compare_each(comparison: Comparison, batch: Sequence[Records]) -> Iterator[Difference]:
    """Yield every record that differs from the source's, is missing, or is one too many."""
    for records, found in compare_singly(comparison, batch):
        for path, column, kind in found:
            yield Difference(comparison.name, "import_records", records.link.import_id, path, column, kind)


def compare_singly(comparison: Comparison, batch: Sequence[Records]) -> Iterator[tuple[Records, list[RecordFinding]]]:
    """Yield the imports whose records differ, with what differs; one that cannot be compared has failed."""
    for records in batch:
        try:
            found = compare_one(comparison, records)
        except NotStorable as error:
            comparison.fail(error, resource="import_records", import_id=records.link.import_id)
            continue
        if found:
            yield records, found


def compare_one(comparison: Comparison, records: Records) -> list[RecordFinding]:
    """How the records of one import differ, at the second attempt without those that the database cannot take in."""
    try:
        return comparison.session.read(compare_records, account=comparison.name, records=records)
    except NotStorable:
        return comparison.session.read(compare_storable, account=comparison.name, records=records)


def verify_case_fields(comparison: Comparison) -> None:
    """Compare fields and the entries of their dictionaries column by column."""
    with comparison.resource("case_fields"):
        fields = read_case_fields(comparison.source)
        found, entries = comparison.session.read(compare_case_fields, account=comparison.name, fields=fields)
        moving = {finding.key for finding in (*found, *entries) if finding.kind == "moved"}
        comparison.note("case_fields", found)
        comparison.note("case_field_entries", entries, moving=moving)
        comparison.count("case_fields", len(fields.rows))
        comparison.count("case_field_entries", len(fields.entries))
        fields.reading.require_whole("case fields")


def compare_case_fields(
    connection: Connection, *, account: str, fields: CaseFields
) -> tuple[list[Finding], list[Finding]]:
    """Compare the stored fields and entries with the source's, inside a transaction."""
    found = compare_rows(connection, CASE_FIELDS, account, fields.rows)
    entries = compare_rows(connection, ENTRIES, account, fields.entries)
    if fields.reading.is_whole:
        gone = load.missing(connection, CASE_FIELDS, account, fields.rows, spare=sorted(fields.unreadable))
        if fields.is_empty_beside(gone):
            raise SourceMalformed("the answer held no case field: a sync removes none (--full accepts it)")
        found += compare_absent(connection, CASE_FIELDS, account, gone)
        gone = load.missing(connection, ENTRIES, account, fields.entries, spare=sorted(fields.unreadable))
        entries += compare_absent(connection, ENTRIES, account, gone)
    return found, entries


def verify_users(comparison: Comparison) -> None:
    """Compare the users column by column."""
    with comparison.resource("users"):
        users = read_users(comparison.source)
        comparison.note("users", comparison.session.read(compare_users, account=comparison.name, users=users))
        comparison.count("users", len(users.rows))
        users.reading.require_whole("users")


def compare_users(connection: Connection, *, account: str, users: Users) -> list[Finding]:
    """Compare the stored users with the source's, inside a transaction."""
    found = compare_rows(connection, USERS, account, load.blank_erased_users(connection, account, users.rows))
    if users.reading.is_whole:
        gone = load.missing(connection, USERS, account, users.rows, spare=sorted(users.unreadable))
        if users.is_empty_beside(gone):
            raise SourceMalformed("the answer held no user: a sync removes none (--full accepts it)")
        found += compare_absent(connection, USERS, account, gone)
    return found


def verify_history(comparison: Comparison) -> None:
    """Hold what the source can no longer be asked for against its own history; what is known is not said again."""
    known = {
        (found.resource, found.key) for found in comparison.verification.differences if found.account == comparison.name
    }
    wanted = resources_of(comparison.settings.parts)
    with comparison.resource(wanted[0]):
        comparison.progress("history")
        for resource, finding in comparison.session.read(
            lambda connection: [*compare_history(connection, comparison.name)]
        ):
            # A wrong number of records follows from records that were named.
            also = "import_records" if finding.column == "records_loaded" else resource
            if resource in wanted and not known & {(resource, finding.key), (also, finding.key)}:
                comparison.note(resource, [finding])
