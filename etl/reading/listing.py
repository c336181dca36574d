"""Reading the list of imports: rows ready to load, each with the link to its records."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from etl.errors import SourceMalformed
from etl.extract import hal, paging
from etl.extract.endpoints import IMPORTS
from etl.extract.hal import Page
from etl.instants import Window
from etl.jsontext import json_bytes
from etl.reading.completeness import Reading, read_pages
from etl.reading.reader import Source
from etl.rows import ImportRow, Rejected
from etl.transform.columns import too_large
from etl.transform.imports import import_row, is_cut_short, is_terminal

ROWS_PER_PART = 5_000


class Link(msgspec.Struct, frozen=True, gc=False):
    """Where the records of an import are (None: it has none), and how it stood when it was listed.

    One that was `cut_short` may have fewer records than it says; `broken` says why its link cannot be followed.
    """

    import_id: str
    href: str | None = msgspec.field(name="records_href", default=None)
    broken: str | None = msgspec.field(name="broken_link", default=None)
    finished: bool = False
    total_records: int | None = None
    failed_records: int | None = None
    cut_short: bool = False


@dataclass
class Listing:
    """The listed imports as rows ready to load, by id, each with its link; of the same id the last one counts.

    `ids` are those of all rows, also of those taken, `listed` also those outside of the window. What was taken counts:
    a later copy that differs is let go, or each run would store the one and then the other.
    """

    window: Window | None = None
    reading: Reading = field(default_factory=Reading)
    ids: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    rows: dict[str, bytes] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def add(self, items: Iterable[object]) -> None:
        """Add the imports of a page to the rows, or to the rejected."""
        for item in items:
            row = import_row(item)
            if isinstance(row, Rejected):
                self.rejected[row.item] = row
                continue
            self.listed.add(row.import_id)
            if (self.window is None or self.window.contains(row.created_at)) and not self._was_taken(row.import_id):
                self._keep(row, item)

    def _was_taken(self, import_id: str) -> bool:
        return import_id in self.ids and import_id not in self.rows

    def _keep(self, row: ImportRow, item: object) -> None:
        said = {**row._asdict(), **_link(row, item)}
        text = json_bytes({name: value for name, value in said.items() if value is not None})
        if rejected := too_large("imports", item, text):
            self.rejected[rejected.item] = rejected
            return
        self.rows[row.import_id] = text
        self.ids.add(row.import_id)

    def take(self, number: int) -> dict[str, bytes]:
        """Take so many of the rows, which are then no longer here."""
        return {import_id: self.rows.pop(import_id) for import_id in list(islice(self.rows, number))}


def link_of(row: bytes) -> Link:
    """Return the link in a listed import's row."""
    return _link_decoder.decode(row)


_link_decoder = msgspec.json.Decoder(Link)


def _link(row: ImportRow, item: object) -> dict[str, Any]:
    found = {"finished": is_terminal(row.status), "cut_short": is_cut_short(row.status)}
    try:
        return {**found, "records_href": hal.records_href(item)}
    except SourceMalformed as error:
        return {**found, "broken_link": str(error)}


def read_listing(
    source: Source, window: Window | None = None, *, store: Callable[[Listing], None] | None = None
) -> Listing:
    """Read the whole list of imports, as far as it goes; `store`, if given, may take from it when it is long."""
    listing = Listing(window)

    def add(page: Page) -> None:
        listing.add(hal.read_items(page.body, prefer=IMPORTS.wrappers))
        if store is not None and len(listing.rows) >= ROWS_PER_PART:
            store(listing)

    listing.reading = read_pages(lambda: paging.import_pages(source.client), add, source.stop)
    return listing
