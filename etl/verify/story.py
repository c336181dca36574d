"""The story of a verification: read the source, compare it with the warehouse, note what differs; per account."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from etl import load
from etl.config import AccountSettings
from etl.errors import SOURCE_ERRORS, EtlError, NotStorable
from etl.extract.client import Client
from etl.load import CASE_FIELDS, ENTRIES, IMPORTS, Key
from etl.reading.case_fields import CaseFields, read_case_fields
from etl.reading.expiry import ask_for_imports
from etl.reading.listing import Link, Listing, link_of, read_listing
from etl.reading.reader import Source
from etl.reading.records import Records, read_records
from etl.verify.records import compare_records, record_counts
from etl.verify.session import Session, open_session
from etl.verify.verification import Difference, Kind, Rows, Verification
from etl.verify.versioned import Finding, compare_absent, compare_rows
from etl.warehouse import ledger


def verify_accounts(
    url: str, accounts: Iterable[AccountSettings], *, deep: bool, stop: threading.Event
) -> Verification:
    """How the warehouse differs from the source; `deep` compares records themselves, not only their number."""
    verification = Verification()
    with open_session(url, stop=stop) as session:
        for settings in accounts:
            with closing(Client(settings, stop=stop)) as client:
                source = Source.of(settings, client, stop=stop)
                account = Account(settings, source, session, verification, deep=deep)
                verify_imports(account)
                verify_case_fields(account)
    return verification


@dataclass(frozen=True)
class Account:
    """What the steps of one account's verification share."""

    settings: AccountSettings
    source: Source
    session: Session
    verification: Verification
    deep: bool

    @property
    def name(self) -> str:
        """The name that stands first in every key."""
        return self.settings.name

    @contextmanager
    def resource(self, name: str) -> Iterator[None]:
        """Inside, an error of the source ends this resource alone."""
        try:
            yield
        except SOURCE_ERRORS as error:
            self.fail(error, resource=name)

    def fail(self, error: EtlError, *, resource: str, import_id: str | None = None) -> None:
        """Afterwards the error is among the failures."""
        self.verification.fail(self.name, error, resource=resource, import_id=import_id)

    def note(self, resource: str, findings: Iterable[Finding], *, moving: Collection[str] = ()) -> None:
        """Afterwards the findings are among the differences; what has no history moved if its neighbours did."""
        for key, path, column, kind in findings:
            judged = kind or ("moved" if key in moving else "different")
            self.verification.differences.append(Difference(self.name, resource, key, path, column, judged))

    def count(self, resource: str, number: int) -> None:
        """Afterwards so many more rows count as compared."""
        self.verification.compared.setdefault(self.name, Counter())[resource] += number


def verify_imports(account: Account) -> None:
    """The list is compared column by column; then the records of every import that is here."""
    listing, findings = Listing(), list[Finding]()
    with account.resource("imports"):
        listing = read_listing(account.source)
        gone = find_gone(account, listing)
        findings = account.session.read(partial(compare_imports, account=account.name, listing=listing, gone=gone))
        account.note("imports", findings)
        account.count("imports", len(listing.rows))
        listing.reading.require_whole("imports")
    new = {found.key for found in findings if found.column is None and found.kind == "moved"}
    links = [link_of(row) for import_id, row in listing.rows.items() if import_id not in new]
    moving = {found.key for found in findings if found.kind == "moved"}
    with account.resource("import_records"):
        verify_records(account, links, moving)


def find_gone(account: Account, listing: Listing) -> list[Key]:
    """The imports that are here and that the source has forgotten; one that the list had skipped is added to it."""
    if not listing.reading.is_whole:
        return []
    retention = timedelta(days=account.settings.retention_days)
    find = partial(load.missing_imports, account=account.name, seen=listing.ids, retention=retention)
    missing = account.session.read(find)
    gone = [import_id for import_id, is_over in missing.items() if is_over and listing.ids]
    for answer in ask_for_imports(account.source, missing.keys() - gone):
        if answer.failure is not None:
            account.fail(answer.failure, resource="imports", import_id=answer.import_id)
        elif answer.item is None:
            gone.append(answer.import_id)
        else:
            listing.add([answer.item])
    return [(import_id,) for import_id in sorted(gone)]


def compare_imports(connection: Connection, *, account: str, listing: Listing, gone: Sequence[Key]) -> list[Finding]:
    """Inside a transaction: how the stored imports differ from those listed."""
    age = ledger.seconds_since_listing(connection, account)
    rows: dict[Key, bytes] = {(import_id,): row for import_id, row in listing.rows.items()}
    found = compare_rows(connection, IMPORTS, account, rows, seconds_since_listing=age)
    return found + compare_absent(connection, IMPORTS, account, gone)


def verify_records(account: Account, links: Sequence[Link], moving: Collection[str]) -> None:
    """Records of imports that move, or whose records were still to be loaded, have moved; all others are damage."""
    ids = [link.import_id for link in links]
    pending = account.session.read(partial(load.pending_imports, account=account.name, ids=ids))
    compare = compare_each if account.deep else compare_counts
    for batch in read_records(account.source, links, known=set(ids)):
        for records in batch:
            if records.failure is not None:
                account.fail(records.failure, resource="import_records", import_id=records.link.import_id)
        readable = [records for records in batch if records.rows is not None and records.failure is None]
        for difference in compare(account, readable):
            kind = "moved" if difference.key in pending or difference.key in moving else difference.kind
            account.verification.differences.append(difference._replace(kind=kind))
        account.count("import_records", sum(len(records.rows or ()) for records in readable))


def compare_counts(account: Account, batch: Sequence[Records]) -> Iterator[Difference]:
    """The imports of which more or fewer records are stored than the source gives."""
    ids = [records.link.import_id for records in batch]
    stored = account.session.read(partial(record_counts, account=account.name, ids=ids))
    for import_id, records in zip(ids, batch, strict=True):
        rows = Rows(source=len(records.rows or ()), warehouse=stored.get(import_id, 0))
        if rows.source != rows.warehouse:
            kind: Kind = "missing" if rows.source > rows.warehouse else "extra"
            yield Difference(account.name, "import_records", import_id, None, None, kind, rows)


def compare_each(account: Account, batch: Sequence[Records]) -> Iterator[Difference]:
    """Every record that differs from the source's, is missing, or is one too many."""
    for records in batch:
        import_id = records.link.import_id
        try:
            found = account.session.read(partial(compare_records, account=account.name, records=records))
        except NotStorable as error:
            account.fail(error, resource="import_records", import_id=import_id)
            continue
        for path, column, kind in found:
            yield Difference(account.name, "import_records", import_id, path, column, kind)


def verify_case_fields(account: Account) -> None:
    """Fields and the entries of their dictionaries are compared column by column."""
    with account.resource("case_fields"):
        fields = read_case_fields(account.source)
        found, entries = account.session.read(partial(compare_case_fields, account=account.name, fields=fields))
        moving = {finding.key for finding in (*found, *entries) if finding.kind == "moved"}
        account.note("case_fields", found)
        account.note("case_field_entries", entries, moving=moving)
        account.count("case_fields", len(fields.rows))
        account.count("case_field_entries", len(fields.entries))
        fields.reading.require_whole("case fields")


def compare_case_fields(
    connection: Connection, *, account: str, fields: CaseFields
) -> tuple[list[Finding], list[Finding]]:
    """Inside a transaction: how the stored fields and entries differ from the source's."""
    found = compare_rows(connection, CASE_FIELDS, account, fields.rows)
    entries = compare_rows(connection, ENTRIES, account, fields.entries)
    if fields.reading.is_whole:
        gone = load.missing(connection, CASE_FIELDS, account, fields.rows, spare=sorted(fields.unreadable))
        found += compare_absent(connection, CASE_FIELDS, account, gone)
        gone = load.missing(connection, ENTRIES, account, fields.entries, spare=sorted(fields.unreadable))
        entries += compare_absent(connection, ENTRIES, account, gone)
    return found, entries
