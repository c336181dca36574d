"""Reading the source: pages are fetched in threads and become rows that are ready to load."""

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple

from etl.errors import EtlError, Interrupted, NotFound, SourceMalformed, named
from etl.extract import paging
from etl.jsontext import json_bytes
from etl.packing import Packed
from etl.reading.completeness import Reading, T
from etl.reading.listing import Link
from etl.reading.ownership import require_own
from etl.reading.pool import Bodies, Pool
from etl.reading.reader import Source
from etl.rows import Rejected
from etl.threads import parallel
from etl.transform.errors_file import NotAnErrorsFileError, decoded, read_errors_file
from etl.transform.records import RecordFlattener

UNEVEN = "a row of the error file has more or fewer cells than its header, so that none can be told to be hashed"

CameFrom = Literal["records", "errors_file"]


class Records(NamedTuple):
    """The records of one import; `failure` says why they could not be read, or not to their end.

    `rows` is None if there was nothing to fetch, or nothing could be read. `met` are the columns named by the privacy
    settings that were in any record; None if none had a cell. `columns` is the header of the file, as far as it shows.
    """

    link: Link
    rows: list[Packed] | None
    errors: list[Packed]
    rejected: list[Rejected]
    read: int = 0
    flatten_seconds: float = 0.0
    failure: EtlError | None = None
    is_short: bool = False
    met: frozenset[str] | None = None
    columns: tuple[str, ...] | None = None
    came_from: CameFrom = "records"

    @property
    def is_whole(self) -> bool:
        """True if they were read to their end, as far as anybody knows."""
        return self.failure is None and not self.is_short

    @property
    def is_at_odds(self) -> bool:
        """True if their number is not the import's own; an error file has the failed ones alone."""
        is_all = self.rows is not None and self.link.finished and self.came_from == "records"
        return is_all and self.link.total_records not in (None, self.read)

    @property
    def is_final(self) -> bool:
        """True if there is no reason to read them again."""
        return self.link.finished and self.failure is None and (self.link.cut_short or not self.is_short)


def read_records(source: Source, links: Iterable[Link], known: Container[str]) -> Iterator[list[Records]]:
    """Read the records of the imports, in the order in which they come in, several imports at a time.

    None of them says that it is another import's, as far as these are `known`.
    """
    with Pool() as pool:
        read = partial(_read_records, source, pool, known)
        for batch in parallel(read, links, workers=source.concurrency, stop=source.stop):
            pool.start_if_due()
            yield batch


def _read_records(source: Source, pool: Pool, known: Container[str], link: Link) -> Records:
    if link.broken is not None:
        return Records(link, None, [], [], failure=SourceMalformed(link.broken))
    try:
        return _read_what_there_is(source, pool, known, link)
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - one import, whatever is odd about it, ends no other
        return Records(link, None, [], [], failure=named(error))


def _read_what_there_is(source: Source, pool: Pool, known: Container[str], link: Link) -> Records:
    """Read the records; where they cannot be had, those that failed, from the error file of an import that is over."""
    if link.href is not None:
        with suppress(NotFound):  # normal: the import may be gone, or a failed one never had any
            return _read_records_whole(source, pool, known, link, link.href)
    if link.finished and (link.failed_records or 0) > 0:
        with suppress(NotFound):
            return _read_errors_file(source, pool, link)
    return Records(link, None, [], [])


def _read_errors_file(source: Source, pool: Pool, link: Link) -> Records:
    """Read the records in the error file; one that cannot be understood is rejected as it is, once."""
    body = paging.fetch_errors_file(source.client, link.import_id)
    try:
        found = read_errors_file(body, may_guess=not source.privacy.hashes)
    except NotAnErrorsFileError as error:
        text = source.privacy.rejected(decoded(body), 0)
        rejected = [Rejected("import_records", link.import_id, text, str(error))]
        return Records(link, None, [], rejected, came_from="errors_file")
    bodies = Bodies(pool, RecordFlattener(link.import_id, source.privacy.with_renamed(found.renamed)))
    bodies.add(json_bytes(found.records))
    flat = bodies.flatten()
    uneven = found.uneven if source.privacy.hashes else []
    untold = [Rejected("import_records", link.import_id, source.privacy.rejected(row, 0), UNEVEN) for row in uneven]
    columns = None if flat.columns is None else tuple(dict.fromkeys((*found.columns, *flat.columns)))
    return Records(
        link,
        flat.rows,
        flat.errors,
        [*flat.rejected, *untold],
        len(found.records) + len(untold),
        flat.seconds,
        met=flat.met,
        columns=columns,
        came_from="errors_file",
    )


def _read_records_whole(source: Source, pool: Pool, known: Container[str], link: Link, href: str) -> Records:
    """Read to the end, and once more if they came out short of what the source says."""

    def read() -> Records:
        return _read_records_once(source, pool, known, link, href)

    records = read()
    return read() if records.failure or (link.finished and records.is_short) else records


def _read_records_once(source: Source, pool: Pool, known: Container[str], link: Link, href: str) -> Records:
    reading, bodies = Reading(), Bodies(pool, RecordFlattener(link.import_id, source.privacy))
    for page in _first_must_be_there(paging.record_pages(source.client, href, expected=link.total_records)):
        reading.note(page)
        require_own(page.body, link.import_id, known)
        bodies.add(page.body)
    flat = bodies.flatten()
    # Where the list itself says how many there are (and there are some), the import's own number proves nothing:
    # pages that got lost, or an empty answer, are known by it alone.
    is_short = reading.read < (link.total_records or 0) and not (reading.read and reading.total)
    failure = reading.shortness("records")
    if is_short and not reading.says_something and link.finished and not link.cut_short:
        failure = SourceMalformed(f"the answer held no list of records, but the import has {link.total_records}")
    return Records(
        link,
        flat.rows,
        flat.errors,
        flat.rejected,
        reading.read,
        flat.seconds,
        failure,
        is_short,
        flat.met,
        flat.columns,
    )


def _first_must_be_there(pages: Iterable[T]) -> Iterator[T]:
    """Yield the same pages; that a later one is not found means that records are missing, not that there are none."""
    has_begun = False
    try:
        for page in pages:
            has_begun = True
            yield page
    except NotFound as error:
        raise SourceMalformed(f"a page of the records is gone: {error}") if has_begun else error from None
