"""Reading a listing to its end, and knowing whether it was the end."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from etl.errors import EtlError, Interrupted, SourceMalformed, named
from etl.extract.hal import Page
from etl.threads import parallel

T = TypeVar("T")


@dataclass
class Reading:
    """How far a listing was read, and what the source said of its length; doubted if it is blank against all odds."""

    read: int = 0
    total: int | None = None
    pages: int = 0
    total_pages: int | None = None
    says_something: bool = False
    is_doubted: bool = False
    error: EtlError | None = None

    def note(self, page: Page) -> None:
        """Count the page."""
        self.read += page.read
        self.pages += 1
        self.total_pages = self.total_pages if page.total_pages is None else page.total_pages
        self.total = self.total if page.total is None else page.total
        self.says_something = self.says_something or page.claimed

    @property
    def is_whole(self) -> bool:
        """True if it was read to its end and is as long as the source says, if it says."""
        return self.error is None and not self.is_short

    @property
    def is_short(self) -> bool:
        """True if fewer items were read than the source says there are; or fewer pages, if that is all it says."""
        if self.total is None:
            return self.total_pages is not None and self.pages < self.total_pages
        return self.read < self.total

    def is_blank_beside(self, missing: Collection[object]) -> bool:
        """Tell whether the answer says nothing although something should be there: on its strength nothing is gone."""
        return bool(missing) and not self.says_something

    def shortness(self, what: str) -> SourceMalformed | None:
        """Return an error that says how much is missing, if anything is."""
        if not self.is_short:
            return None
        said = f"{self.total_pages} pages" if self.total is None else str(self.total)
        read = f"{self.pages} pages" if self.total is None else f"{self.read} items"
        return SourceMalformed(f"{what}: {read} were read, twice, but the source says {said}")

    def require_whole(self, what: str) -> None:
        """Raise what went wrong, if anything did."""
        if error := self.error or self.shortness(what):
            raise error


def read_pages(pages: Callable[[], Iterable[Page]], add: Callable[[Page], None], stop: threading.Event) -> Reading:
    """Read to the end, and once more if it came out short of what the source says."""
    reading = _read_pages_once(pages(), add, stop)
    return _read_pages_once(pages(), add, stop) if reading.error is None and reading.is_short else reading


def _read_pages_once(pages: Iterable[Page], add: Callable[[Page], None], stop: threading.Event) -> Reading:
    reading = Reading()
    try:
        for page in _drawn(pages, stop):
            reading.note(page)
            add(page)
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - what was read before it stays, whatever it is
        reading.error = named(error)
    return reading


def _drawn(items: Iterable[T], stop: threading.Event) -> Iterator[T]:
    """Yield the same items, drawn in another thread, so that waiting for them can be interrupted."""
    for batch in parallel(lambda item: item, items, workers=1, stop=stop):
        yield from batch
