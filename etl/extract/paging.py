"""Pages of the source's collections, each read by following its `next` links and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from etl.errors import SourceMalformed
from etl.extract import identity
from etl.extract.client import Client
from etl.extract.endpoints import CASE_FIELDS, ERRORS_FILE, IMPORTS, RECORDS, USERS, Endpoint
from etl.extract.hal import NextLink, Page, read_page
from etl.extract.transport import place

MAX_PAGES = 100_000
MAX_EMPTY_PAGES = 100
MAX_STALE_PAGES = 12
WATCHED_PAGES = 8
"""So many pages are not looked at item by item: nearly all listings have fewer, and it costs as much as their heads."""


def import_pages(client: Client) -> Iterator[Page]:
    """Fetch the list of imports that the source still knows, page by page."""
    return pages(client, IMPORTS, client.api_url + IMPORTS.path)


def fetch_import(client: Client, import_id: str) -> bytes:
    """Fetch one import by itself; raises NotFound if the source has forgotten it."""
    return client.get(_address_of(client, import_id), IMPORTS)


def fetch_errors_file(client: Client, import_id: str) -> bytes:
    """Fetch the file that tells which lines of an import failed; raises NotFound if there is none."""
    return client.get_file(f"{_address_of(client, import_id)}/errors", ERRORS_FILE)


def _address_of(client: Client, import_id: str) -> str:
    name = quote(import_id, safe="", errors="replace")
    # Dots alone would be a way up the path, not a name.
    name = name.replace(".", "%2E") if set(name) <= {"."} else name
    return f"{client.api_url}{IMPORTS.path}/{name}"


def record_pages(client: Client, href: str, *, expected: int | None = None) -> Iterator[Page]:
    """Fetch the records behind an import's link; `expected` is how many the import says that it has."""
    return pages(client, RECORDS, client.rooted(href, client.api_url + IMPORTS.path), expected=expected)


def case_field_pages(client: Client) -> Iterator[Page]:
    """Fetch the case fields with their dictionaries, page by page."""
    return pages(client, CASE_FIELDS, client.api_url + CASE_FIELDS.path)


def user_pages(client: Client) -> Iterator[Page]:
    """Fetch the account's users, page by page."""
    return pages(client, USERS, client.api_url + USERS.path)


def pages(client: Client, endpoint: Endpoint, url: str, *, expected: int | None = None) -> Iterator[Page]:
    """Follow the page at `url` and all after it; raises SourceMalformed where they would not end."""
    progress = Progress(endpoint, expected)
    while True:
        body = client.get(url, endpoint)
        with _named(url):
            page = read_page(body, prefer=endpoint.wrappers)
        yield page
        with _named(url):
            href = _followed(page.following)
            if href is None:
                return
            progress.note(url, page)
            url = client.rooted(href, url)
            progress.require(url)


def _followed(link: NextLink) -> str | None:
    if link.problem is not None:
        raise SourceMalformed(link.problem)
    return link.href


class Progress:
    """What a listing has brought so far: each page has to lead on to something that was not there before.

    Pages overlap where a listing shifts while it is read, equal rows of a file are legal, and a total may lag behind.
    """

    def __init__(self, endpoint: Endpoint, expected: int | None) -> None:
        self._endpoint = endpoint
        self._total = expected
        self._read = self._empty = self._stale = 0
        self._urls: set[str] = set()
        self._marks: set[int] = set()

    def note(self, url: str, page: Page) -> None:
        """Count the page."""
        self._urls.add(url)
        self._read += page.read
        self._total = self._total if page.total is None else page.total
        self._empty = 0 if page.read else self._empty + 1
        if page.read and len(self._urls) >= WATCHED_PAGES:
            marks = identity.marks(page.body, prefer=self._endpoint.wrappers)
            self._stale = self._stale + 1 if marks <= self._marks else 0
            self._marks |= marks

    def require(self, url: str) -> None:
        """Raise if no listing goes on like this, or if this next page is one that was read before."""
        if url in self._urls:
            raise SourceMalformed("the next link leads back to a page that was read before")
        if self._empty >= MAX_EMPTY_PAGES:
            raise SourceMalformed(f"{self._empty} empty pages follow each other")
        if self._stale >= MAX_STALE_PAGES:
            raise SourceMalformed(f"{self._stale} pages follow each other with nothing that was not read before")
        if self._total is not None and self._read > _most(self._total):
            raise SourceMalformed(f"{self._read} {self._endpoint.name} were read and more follow, of {self._total}")
        if len(self._urls) >= MAX_PAGES:
            raise SourceMalformed(f"more than {MAX_PAGES} pages follow each other")


def _most(total: int) -> int:
    """Return how many items a listing of this length may bring: pages overlap, and an import may still grow."""
    return 2 * total + 1_000


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Name the page in every error inside."""
    try:
        yield
    except SourceMalformed as error:
        raise SourceMalformed(f"{place('GET', url)}: {error}") from None
