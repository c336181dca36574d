"""Reading the source: pages are fetched in threads and become rows that are ready to load."""

from collections.abc import Container, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from etl.errors import SOURCE_ERRORS, EtlError, NotFound, SourceMalformed
from etl.extract import paging
from etl.packing import Packed
from etl.reading.completeness import Reading, T
from etl.reading.listing import Link
from etl.reading.ownership import require_own
from etl.reading.reader import Source
from etl.reading.worker.pool import Flattening, ProcessEnded
from etl.rows import Rejected
from etl.threads import parallel


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


def read_records(source: Source, links: Iterable[Link], known: Container[str]) -> Iterator[list[Records]]:
    """The records of the imports, in the order in which they come in, several imports at a time.

    None of them says that it is another import's, as far as these are `known`.
    """
    with Flattening(source.privacy, channels=source.concurrency) as flattening:
        read = partial(_read_records, source, flattening, known)
        yield from parallel(read, links, workers=source.concurrency, stop=source.stop)


def _read_records(source: Source, flattening: Flattening, known: Container[str], link: Link) -> Records:
    try:
        if link.broken is not None:
            raise SourceMalformed(link.broken)
        if link.href is None:
            return Records(link, None, [], [])
        return _read_records_whole(source, flattening, known, link, link.href)
    except NotFound:  # normal: the import may be gone, or a failed one never had any
        return Records(link, None, [], [])
    except SOURCE_ERRORS as error:
        return Records(link, None, [], [], failure=error)


def _read_records_whole(
    source: Source, flattening: Flattening, known: Container[str], link: Link, href: str
) -> Records:
    """Read to the end, and once more if they came out short of what the source says."""

    def read() -> Records:
        try:
            return _read_records_once(source, flattening, known, link, href)
        except ProcessEnded:
            flattening.give_up()
            return _read_records_once(source, flattening, known, link, href)

    records = read()
    return read() if records.failure or (link.finished and records.is_short) else records


def _read_records_once(source: Source, flattening: Flattening, known: Container[str], link: Link, href: str) -> Records:
    rows: list[Packed] = []
    errors: list[Packed] = []
    rejected: list[Rejected] = []
    reading, seconds = Reading(), 0.0
    with flattening.pages_of(link.import_id) as flatten:
        for page in _first_must_be_there(paging.record_pages(source.client, href, expected=link.total_records)):
            reading.note(page)
            require_own(page.body, link.import_id, known)
            flat = flatten(page.body)
            rows += flat.rows
            errors += flat.errors
            rejected += flat.rejected
            seconds += flat.seconds
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
