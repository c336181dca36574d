"""Reading the source: pages are fetched in threads and become rows that are ready to load."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec

from etl.config import AccountSettings
from etl.errors import EtlError, NotFound, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract import hal, paging
from etl.extract.client import Client
from etl.extract.hal import Page
from etl.instants import Window
from etl.packing import Packed
from etl.reading.worker.page import FlatPage
from etl.reading.worker.pool import Flattening, ProcessEnded
from etl.rows import MAX_ROW_BYTES, TOO_LARGE, ImportRow, Rejected
from etl.threads import parallel
from etl.transform import records as transformer
from etl.transform.columns import json_bytes, json_text
from etl.transform.records import CaseField, Privacy

T = TypeVar("T")
ROWS_PER_PART = 5_000
SOURCE_ERRORS = (SourceUnavailable, SourceRefused, SourceMalformed)


class Source(NamedTuple):
    """One account's side of the source."""

    client: Client
    privacy: Privacy
    concurrency: int
    stop: threading.Event

    @classmethod
    def of(cls, settings: AccountSettings, client: Client, *, stop: threading.Event) -> "Source":
        """The account's side, with what its settings allow to be kept."""
        privacy = Privacy(
            record_data=settings.record_data,
            hash_columns=frozenset(settings.hash_columns),
            hash_key=settings.hash_key.get_secret_value().encode() if settings.hash_key else b"",
        )
        return cls(client, privacy, settings.concurrency, stop)


class Link(msgspec.Struct, frozen=True, gc=False):
    """Where the records of an import are (None: it has none), and how it stood when it was listed.

    One that was `cut_short` may have fewer records than it says; `broken` says why its link cannot be followed.
    """

    import_id: str
    href: str | None = msgspec.field(name="records_href", default=None)
    broken: str | None = msgspec.field(name="broken_link", default=None)
    finished: bool = False
    total_records: int | None = None
    cut_short: bool = False


@dataclass
class Reading:
    """How far a listing was read, and what the source said of its length; doubted if it is blank against all odds."""

    read: int = 0
    total: int | None = None
    says_something: bool = False
    is_doubted: bool = False
    error: EtlError | None = None

    def note(self, page: Page | FlatPage) -> None:
        """Afterwards the page is counted."""
        self.read += page.read
        self.total = self.total if page.total is None else page.total
        self.says_something = self.says_something or page.claimed

    @property
    def is_whole(self) -> bool:
        """True if it was read to its end and is as long as the source says, if it says."""
        return self.error is None and not self.is_short

    @property
    def is_short(self) -> bool:
        """True if fewer items were read than the source says there are."""
        return self.total is not None and self.read < self.total

    def shortness(self, what: str) -> SourceMalformed | None:
        """An error that says how much is missing, if anything is."""
        if not self.is_short:
            return None
        return SourceMalformed(f"{what}: {self.read} items were read, twice, but the source says {self.total}")

    def require_whole(self, what: str) -> None:
        """Raise what went wrong, if anything did."""
        if error := self.error or self.shortness(what):
            raise error


@dataclass
class Listing:
    """The listed imports as rows ready to load, by id, each with its link; of the same id the last one counts.

    `ids` are those of all rows, also of those taken.
    """

    window: Window | None = None
    reading: Reading = field(default_factory=Reading)
    ids: set[str] = field(default_factory=set)
    rows: dict[str, bytes] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def add(self, items: Iterable[object]) -> None:
        """Afterwards the imports of a page are among the rows, or among the rejected."""
        for item in items:
            row = transformer.import_row(item)
            if isinstance(row, Rejected):
                self.rejected[row.item] = row
            elif self.window is None or self.window.contains(row.created_at):
                self._keep(row, item)

    def _keep(self, row: ImportRow, item: object) -> None:
        said = {**row._asdict(), **_link(row, item)}
        text = json_bytes({name: value for name, value in said.items() if value is not None})
        if rejected := _too_large("imports", item, text):
            self.rejected[rejected.item] = rejected
            return
        self.rows[row.import_id] = text
        self.ids.add(row.import_id)

    def take(self, number: int) -> dict[str, bytes]:
        """So many of the rows, which are then no longer here."""
        return {import_id: self.rows.pop(import_id) for import_id in list(islice(self.rows, number))}


def link_of(row: bytes) -> Link:
    """The link in a listed import's row."""
    return _link_decoder.decode(row)


_link_decoder = msgspec.json.Decoder(Link)


def _link(row: ImportRow, item: object) -> dict[str, Any]:
    found = {"finished": transformer.is_terminal(row.status), "cut_short": transformer.is_cut_short(row.status)}
    try:
        return {**found, "records_href": hal.records_href(item)}
    except SourceMalformed as error:
        return {**found, "broken_link": str(error)}


def read_listing(
    source: Source, window: Window | None = None, *, store: Callable[[dict[str, bytes]], None] | None = None
) -> Listing:
    """The whole list of imports, as far as it could be read; all but the last rows have gone to `store`, if given."""
    listing = Listing(window)

    def add(page: Page) -> None:
        listing.add(page.items)
        if store is not None and len(listing.rows) >= ROWS_PER_PART:
            store(listing.take(ROWS_PER_PART))

    listing.reading = _read_pages(lambda: paging.import_pages(source.client), add, source.stop)
    return listing


@dataclass
class CaseFields:
    """Case fields and their entries as rows ready to load; of the same field the last one counts.

    `unreadable` are the fields whose dictionary was no list: their entries are unknown, not gone.
    """

    reading: Reading = field(default_factory=Reading)
    rows: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    entries_of: dict[str, dict[tuple[str, ...], bytes]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    rejected_entries: dict[str, list[Rejected]] = field(default_factory=dict)

    def add(self, items: list[Any]) -> None:
        """Afterwards the fields of a page are among the rows, or among the rejected, and no longer among the items."""
        for item in _drained(items):
            found = transformer.case_field(item)
            if isinstance(found, Rejected):
                self.rejected[found.item] = found
                continue
            self._keep(found, item)

    def _keep(self, found: CaseField, item: object) -> None:
        key, text = found.row.field_key, json_bytes(found.row._asdict())
        entries: dict[tuple[str, ...], bytes] = {
            (key, entry.entry_id): json_bytes(entry._asdict()) for entry in found.entries
        }
        if rejected := _too_large("case_fields", item, text, *entries.values()):
            self.rejected[rejected.item] = rejected
            return
        self.rows[key,] = text
        self.entries_of[key] = entries
        self.rejected_entries[key] = found.rejected
        (self.unreadable.discard if found.dict_list_readable else self.unreadable.add)(key)

    @property
    def entries(self) -> dict[tuple[str, ...], bytes]:
        """The entries of all fields by field key and entry id."""
        return {key: row for entries in self.entries_of.values() for key, row in entries.items()}


def _drained(items: list[T]) -> Iterator[T]:
    """The items in order, each let go before the next: a dictionary takes more room as a tree than as rows."""
    items.reverse()
    while items:
        yield items.pop()


def _too_large(resource: str, item: object, *rows: bytes) -> Rejected | None:
    if max(map(len, rows)) <= MAX_ROW_BYTES:
        return None
    return Rejected(resource, None, json_text(item), TOO_LARGE)


def read_case_fields(source: Source) -> CaseFields:
    """All case fields with their dictionaries, as far as they could be read."""
    fields = CaseFields()

    def add(page: Page) -> None:
        fields.add(page.items)

    fields.reading = _read_pages(lambda: paging.case_field_pages(source.client), add, source.stop)
    return fields


def _read_pages(pages: Callable[[], Iterable[Page]], add: Callable[[Page], None], stop: threading.Event) -> Reading:
    """Read to the end, and once more if it came out short of what the source says."""
    reading = _read_pages_once(pages(), add, stop)
    return _read_pages_once(pages(), add, stop) if reading.error is None and reading.is_short else reading


def _read_pages_once(pages: Iterable[Page], add: Callable[[Page], None], stop: threading.Event) -> Reading:
    reading = Reading()
    try:
        for page in _drawn(pages, stop):
            reading.note(page)
            add(page)
    except SOURCE_ERRORS as error:
        reading.error = error
    return reading


def _drawn(items: Iterable[T], stop: threading.Event) -> Iterator[T]:
    """The same items, drawn in another thread, so that waiting for them can be interrupted."""
    for batch in parallel(lambda item: item, items, workers=1, stop=stop):
        yield from batch


class Records(NamedTuple):
    """The records of one import; `failure` says why they could not be read, or not to their end.

    `rows` is None if there was nothing to fetch, or nothing could be read.
    """

    link: Link
    rows: list[Packed] | None
    errors: list[Packed]
    rejected: list[Rejected]
    read: int = 0
    flatten_seconds: float = 0.0
    failure: EtlError | None = None
    is_short: bool = False

    @property
    def is_whole(self) -> bool:
        """True if they were read to their end, as far as anybody knows."""
        return self.failure is None and not self.is_short

    @property
    def is_final(self) -> bool:
        """True if there is no reason to read them again."""
        return self.link.finished and self.failure is None and (self.link.cut_short or not self.is_short)


def read_records(source: Source, links: Iterable[Link]) -> Iterator[list[Records]]:
    """The records of the imports, in the order in which they come in, several imports at a time."""
    with Flattening(source.privacy, channels=source.concurrency) as flattening:
        read = partial(_read_records, source, flattening)
        yield from parallel(read, links, workers=source.concurrency, stop=source.stop)


def _read_records(source: Source, flattening: Flattening, link: Link) -> Records:
    try:
        if link.broken is not None:
            raise SourceMalformed(link.broken)
        if link.href is None:
            return Records(link, None, [], [])
        return _read_records_whole(source, flattening, link, link.href)
    except NotFound:  # normal: the import may be gone, or a failed one never had any
        return Records(link, None, [], [])
    except SOURCE_ERRORS as error:
        return Records(link, None, [], [], failure=error)


def _read_records_whole(source: Source, flattening: Flattening, link: Link, href: str) -> Records:
    """Read to the end, and once more if they came out short of what the source says."""

    def read() -> Records:
        try:
            return _read_records_once(source, flattening, link, href)
        except ProcessEnded:
            flattening.give_up()
            return _read_records_once(source, flattening, link, href)

    records = read()
    return read() if records.failure or (link.finished and records.is_short) else records


def _read_records_once(source: Source, flattening: Flattening, link: Link, href: str) -> Records:
    rows: list[Packed] = []
    errors: list[Packed] = []
    rejected: list[Rejected] = []
    reading, seconds = Reading(), 0.0
    with flattening.pages_of(link.import_id) as flatten:
        for page in _first_must_be_there(paging.record_pages(source.client, href, flatten)):
            reading.note(page)
            rows += page.rows
            errors += page.errors
            rejected += page.rejected
            seconds += page.seconds
    # Where the list itself says how many there are (and there are some), the import's own number proves nothing:
    # pages that got lost, or an empty answer, are known by it alone.
    is_short = reading.read < (link.total_records or 0) and not (reading.read and reading.total)
    failure = reading.shortness("records")
    if is_short and not reading.says_something and link.finished and not link.cut_short:
        failure = SourceMalformed(f"the answer held no list of records, but the import has {link.total_records}")
    return Records(link, rows, errors, rejected, reading.read, seconds, failure, is_short)


def _first_must_be_there(pages: Iterable[T]) -> Iterator[T]:
    """The same pages; that a later one is not found means that records are missing, not that there are none."""
    has_begun = False
    try:
        for page in pages:
            has_begun = True
            yield page
    except NotFound as error:
        raise SourceMalformed(f"a page of the records is gone: {error}") if has_begun else error from None


class Asked(NamedTuple):
    """What the source says of one import when asked for it by itself; `item` is None if it has forgotten it."""

    import_id: str
    item: object | None
    failure: EtlError | None = None


def ask_for_imports(source: Source, ids: Iterable[str]) -> Iterator[Asked]:
    """Ask the source for each import by itself."""
    for batch in parallel(lambda id_: _ask(source, id_), ids, workers=source.concurrency, stop=source.stop):
        yield from batch


def _ask(source: Source, import_id: str) -> Asked:
    try:
        item = paging.fetch_import(source.client, import_id)
        if getattr(transformer.import_row(item), "import_id", None) != import_id:
            raise SourceMalformed("the source was asked for one import and answered with something else")
        return Asked(import_id, item)
    except NotFound:
        return Asked(import_id, None)
    except SOURCE_ERRORS as error:
        return Asked(import_id, None, failure=error)
