"""The story of a sync: fetch, flatten, load, note; one function per resource.

Imports are stored before their records are fetched, and marked as loaded together with their records: a run that ends
in between leaves them pending, and the next run goes on from there.
"""

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from etl import load
from etl.errors import NotStorable, SourceChanged
from etl.load import CASE_FIELDS, ENTRIES, IMPORTS, USERS, Content, Stored
from etl.packing import Packed
from etl.reading.case_fields import CaseFields, read_case_fields
from etl.reading.expiry import find_forgotten
from etl.reading.listing import ROWS_PER_PART, Link, Listing, link_of, read_listing
from etl.reading.recognition import is_recognised, not_proven, refuse_unrecognised
from etl.reading.records import Records, read_records
from etl.reading.users import Users, read_again, read_users
from etl.sync.outcome import ResourceOutcome
from etl.sync.run import AccountRun, log
from etl.warehouse.counts import Counts


def sync_account(run: AccountRun) -> None:
    """Bring one account's part of the warehouse level with the source; what failed stands in the run's outcome."""
    with run:
        if not run.open():
            return
        if run.wants_imports:
            sync_imports(run)
        if run.wants_case_fields:
            sync_case_fields(run)
        if run.wants_users:
            sync_users(run)
        age_records(run)


def age_records(run: AccountRun) -> None:
    """Take the cells of records that are older than the settings keep them, a few imports at a time."""
    days = run.settings.record_keep_days
    if days is None or run.options.dry_run:
        return
    while run.warehouse.transact(load.age_records, run.account, timedelta(days=days)):
        pass


def sync_imports(run: AccountRun) -> None:
    """Sync the list as far as it can be read, and then the records of those imports that need it."""
    pending: list[Link] = []
    known: set[str] = set()
    with run.resource("imports") as (note,):
        sync_listing(run, note, pending, known)
    with run.resource("import_records") as (note,):
        for batch in run.awaited(note, read_records(run.source, pending, known)):
            load_records(run, note, batch)
            run.progress("import_records", note, len(batch), len(pending))
        note.complete = not run.outcome.has_failed("imports", "import_records")
        judge_privacy(run)


def judge_privacy(run: AccountRun) -> None:
    """Judge which columns that should be hashed nobody has seen, and count what is stored otherwise."""
    privacy = run.source.privacy
    if run.met_columns is not None:
        run.outcome.unmet |= {column: [] for column in sorted(privacy.named - run.met_columns)}
    otherwise = run.warehouse.transact(load.stored_otherwise, run.account, privacy.fingerprint)
    run.outcome.otherwise = otherwise if otherwise.records else None


def sync_listing(run: AccountRun, note: ResourceOutcome, pending: list[Link], known: set[str]) -> None:
    """Read and store the list; its ids are then known, and those whose records are to be fetched are pending."""
    listing = read_listing(run.source, run.options.window, store=partial(store_part, run, note, pending))
    require_recognised(run, listing)
    warn_of_no_match(run, listing)
    known |= listing.ids
    pending += load_listing(run, note, listing)
    if may_expire(run, listing):
        pending += expire_missing(run, note, listing)
    listing.reading.require_whole("imports")
    note.complete = run.options.window is None and not listing.reading.is_doubted


def sync_case_fields(run: AccountRun) -> None:
    """Sync fields and entries in one transaction; what is missing from a complete answer is marked as removed."""
    with run.resource("case_fields", "case_field_entries") as (note, entries_note):
        if run.needs_proof:
            raise SourceChanged(not_proven(run.account))
        fields = read_case_fields(run.source)
        load_case_fields(run, note, entries_note, fields)
        fields.reading.require_whole("case fields")
        note.complete = entries_note.complete = not fields.reading.is_doubted


def sync_users(run: AccountRun) -> None:
    """Sync the users, last of all: what an import of this run did to them is then seen as its doing."""
    with run.resource("users") as (note,):
        if run.needs_proof:
            raise SourceChanged(not_proven(run.account))
        users = read_users(run.source)
        missing = run.load(note, load.missing, USERS, run.account, users.rows, spare=users.unreadable)
        if users.may_have_skipped(missing):
            read_again(run.source, users)
        load_users(run, note, users)
        users.reading.require_whole("users")
        note.complete = not users.reading.is_doubted


def warn_of_no_match(run: AccountRun, listing: Listing) -> None:
    """Say so if a backfill found nothing, and nothing else has said that it would not."""
    window = run.options.window
    is_empty = listing.reading.is_whole and not listing.ids
    if window is not None and is_empty and window.reaches_before(datetime.now(UTC)):
        message = "account=%s none of the %d imports that the source lists was created in the window"
        log.warning(message, run.account, len(listing.listed))


def store_part(run: AccountRun, note: ResourceOutcome, pending: list[Link], listing: Listing) -> None:
    """Store a part of the list while it is being read, unless it shows no import that is known; then all waits."""
    if run.is_recognised is None:
        run.is_recognised = recognise(run, listing)
    if run.is_recognised:
        load_imports(run, note, pending, listing.take(ROWS_PER_PART))


def recognise(run: AccountRun, listing: Listing) -> bool:
    """Tell whether what is listed so far may be stored as the account's."""
    is_known = run.warehouse.transact(load.recognises, run.account, listing.listed, retention=run.retention)
    return is_recognised(is_known=is_known, needs_proof=run.needs_proof)


def require_recognised(run: AccountRun, listing: Listing) -> None:
    """Raise, before anything is stored, if the listing shows that it is not the account's."""
    run.is_recognised = run.is_recognised or recognise(run, listing)
    if not run.is_recognised:
        refuse_unrecognised(
            run.account, listing, needs_proof=run.needs_proof, retention=run.retention, full=run.options.full
        )


def load_listing(run: AccountRun, note: ResourceOutcome, listing: Listing) -> list[Link]:
    """Load what is left of the listed imports; says whose records are to be fetched."""
    note.counts.read += listing.reading.read
    run.reject(note, listing.rejected.values())
    pending: list[Link] = []
    while part := listing.take(ROWS_PER_PART):
        load_imports(run, note, pending, part)
    return pending


def load_imports(run: AccountRun, note: ResourceOutcome, pending: list[Link], part: dict[str, bytes]) -> None:
    """Load these imports; those whose records are to be fetched are then pending, too."""
    stored, new, wanted = run.load(note, store_imports, run, part)
    run.note_stored(note, stored, new)
    pending += (link_of(row) for import_id, row in part.items() if import_id in wanted)


def store_imports(connection: Connection, run: AccountRun, part: dict[str, bytes]) -> tuple[Stored, int, set[str]]:
    """Upsert the imports inside a transaction; says how many are newly rejected, and whose records are wanted."""
    run.bind(connection)
    stored = load.upsert(connection, IMPORTS, run.account, {(import_id,): row for import_id, row in part.items()})
    there = part.keys() - {import_id for (import_id,) in stored.refused}
    if not run.options.full and run.options.window is None:
        there &= {import_id for (import_id,) in stored.changed} | load.pending_imports(connection, run.account, there)
    return stored, run.reject_refused(connection, stored), there


def may_expire(run: AccountRun, listing: Listing) -> bool:
    """Tell whether imports may expire: only the whole listing shows what is gone."""
    return run.options.window is None and listing.reading.is_whole


def expire_missing(run: AccountRun, note: ResourceOutcome, listing: Listing) -> list[Link]:
    """Mark the imports that the source has forgotten; says whose records are to be fetched."""
    missing = run.load(note, load.missing_imports, run.account, listing.ids, retention=run.retention)
    listing.reading.is_doubted = listing.reading.is_blank_beside(missing)
    if listing.reading.is_doubted and not run.options.full:
        log.warning("account=%s the answer held no list of imports: nothing expires", run.account)
        return []
    forgotten = find_forgotten(run.source, listing, missing)
    for import_id, failure in forgotten.failed:
        run.outcome.fail(failure, resource="imports", import_id=import_id)
    note.counts.removed += run.load(note, store_expired, run, forgotten.gone)
    found = Listing()
    found.add(forgotten.found)
    found.reading.read = len(forgotten.found)
    return load_listing(run, note, found)


def store_expired(connection: Connection, run: AccountRun, gone: Sequence[str]) -> int:
    """Mark these imports as forgotten inside a transaction; says how many."""
    run.bind(connection)
    return load.mark_expired(connection, run.account, gone)


def load_records(run: AccountRun, note: ResourceOutcome, batch: Sequence[Records]) -> None:
    """Load the records of these imports, each import's as a whole; failures are noted."""
    for records in batch:
        note_records(run, note, records)
    # What was read before a failure is stored, too.
    readable = [records for records in batch if records.rows is not None or records.failure is None]
    stored, new = run.load(note, store_records, run, readable)
    run.note_stored(note, stored, new)
    for import_id, reason in stored.failed.items():
        run.outcome.fail(NotStorable(reason), resource="import_records", import_id=import_id)


def store_records(connection: Connection, run: AccountRun, batch: Sequence[Records]) -> tuple[Stored, int]:
    """Replace the records of each import as a whole, inside a transaction; says how many are newly rejected."""
    second_hand = [records.link.import_id for records in batch if records.came_from == "errors_file"]
    known_better = load.with_own_records(connection, run.account, second_hand) if second_hand else set()
    contents = [
        Content(
            records.link.import_id,
            _storable(records, known_better),
            records.errors,
            records.is_final,
            whole=records.is_whole,
            privacy=run.source.privacy.fingerprint,
            columns=records.columns,
            source=records.came_from,
        )
        for records in batch
    ]
    stored = load.replace_records(connection, run.account, contents)
    return stored, run.reject_refused(connection, stored)


def _storable(records: Records, known_better: Container[str]) -> list[Packed] | None:
    """Return the rows that take the place of those stored; None if these stay.

    An empty answer takes nothing away, unless the import itself says that it has no records.
    """
    is_something = records.rows or records.link.total_records == 0
    return records.rows if is_something and records.link.import_id not in known_better else None


def note_records(run: AccountRun, note: ResourceOutcome, records: Records) -> None:
    """Note what was read, rejected or failed, and say where a number is not the source's own."""
    link = records.link
    note.counts.read += records.read
    note.traffic.flatten_seconds += records.flatten_seconds
    log.debug("account=%s import=%s read=%d", run.account, link.import_id, records.read)
    run.reject(note, records.rejected)
    if records.met is not None:
        run.met_columns = records.met | (run.met_columns or frozenset())
        for column in run.source.privacy.perhaps_renamed(records.met, records.columns or ()):
            run.outcome.unmet.setdefault(column, []).append(link.import_id)
    if records.failure is not None:
        run.outcome.fail(records.failure, resource="import_records", import_id=link.import_id)
    elif records.is_at_odds:
        message = "account=%s import=%s %d records were read, its total_records is %d"
        log.warning(message, run.account, link.import_id, records.read, link.total_records)


def load_case_fields(run: AccountRun, note: ResourceOutcome, entries_note: ResourceOutcome, fields: CaseFields) -> None:
    """Load the fields and entries that were read, and mark those missing from a complete answer."""
    note.counts.read = fields.reading.read
    rejected_entries = [item for items in fields.rejected_entries.values() for item in items]
    entries_note.counts.read = len(fields.entries) + len(rejected_entries)
    run.reject(note, fields.rejected.values())
    run.reject(entries_note, rejected_entries)
    for each, stored, new in zip((note, entries_note), *run.load(note, store_case_fields, run, fields), strict=True):
        run.note_stored(each, stored, new)


def store_case_fields(connection: Connection, run: AccountRun, fields: CaseFields) -> tuple[list[Stored], list[int]]:
    """Upsert fields and entries inside a transaction, and mark those missing from a complete answer."""
    if fields.reading.read:
        run.bind(connection)
    stored = [
        load.upsert(connection, CASE_FIELDS, run.account, fields.rows),
        load.upsert(connection, ENTRIES, run.account, fields.entries),
    ]
    if fields.reading.is_whole:
        remove_missing(connection, run, fields, *(each.counts for each in stored))
    return stored, [run.reject_refused(connection, each) for each in stored]


def remove_missing(
    connection: Connection, run: AccountRun, fields: CaseFields, counts: Counts, entry_counts: Counts
) -> None:
    """Mark fields and entries missing from a complete answer, inside a transaction, unless it is doubted."""
    gone = load.missing(connection, CASE_FIELDS, run.account, fields.rows, spare=fields.unreadable)
    if fields.is_empty_beside(gone) and not run.options.full:
        fields.reading.is_doubted = True
        log.warning("account=%s the answer held no case field: none is removed (--full accepts it)", run.account)
        return
    gone_entries = load.missing(connection, ENTRIES, run.account, fields.entries, spare=fields.unreadable)
    counts.removed = load.mark_removed(connection, CASE_FIELDS, run.account, gone)
    entry_counts.removed = load.mark_removed(connection, ENTRIES, run.account, gone_entries)


def load_users(run: AccountRun, note: ResourceOutcome, users: Users) -> None:
    """Load the users that were read, and mark those missing from a complete answer."""
    note.counts.read = users.reading.read
    run.reject(note, users.rejected.values())
    stored, new = run.load(note, store_users, run, users)
    run.note_stored(note, stored, new)


def store_users(connection: Connection, run: AccountRun, users: Users) -> tuple[Stored, int]:
    """Upsert the users inside a transaction, and mark those missing from a complete answer, unless it is doubted."""
    if users.reading.read:
        run.bind(connection)
    stored = load.upsert(connection, USERS, run.account, load.blank_erased_users(connection, run.account, users.rows))
    if users.reading.is_whole:
        gone = load.missing(connection, USERS, run.account, users.rows, spare=users.unreadable)
        users.reading.is_doubted = users.is_empty_beside(gone) and not run.options.full
        if users.reading.is_doubted:
            log.warning("account=%s the answer held no user: none is removed (--full accepts it)", run.account)
        else:
            stored.counts.removed = load.mark_removed(connection, USERS, run.account, gone)
            load.note_users_read(connection, run.account)
    return stored, run.reject_refused(connection, stored)
