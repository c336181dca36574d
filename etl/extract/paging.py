"""Pages of the source's collections, each read by following its `next` links and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from etl.errors import SourceMalformed
from etl.extract.client import Client
from etl.extract.endpoints import CASE_FIELDS, IMPORTS, RECORDS, Endpoint
from etl.extract.hal import NextLink, Page, read_page
from etl.extract.transport import place

MAX_PAGES = 100_000
MAX_EMPTY_PAGES = 100


def import_pages(client: Client) -> Iterator[Page]:
    """The list of imports that the source still knows."""
    return pages(client, IMPORTS, client.api_url + IMPORTS.path)


def fetch_import(client: Client, import_id: str) -> bytes:
    """One import by itself; raises NotFound if the source has forgotten it."""
    name = quote(import_id, safe="", errors="replace")
    # Dots alone would be a way up the path, not a name.
    name = name.replace(".", "%2E") if set(name) <= {"."} else name
    return client.get(f"{client.api_url}{IMPORTS.path}/{name}", IMPORTS)


def record_pages(client: Client, href: str) -> Iterator[Page]:
    """The records behind an import's link."""
    return pages(client, RECORDS, client.rooted(href, client.api_url + IMPORTS.path))


def case_field_pages(client: Client) -> Iterator[Page]:
    """The case fields with their dictionaries."""
    return pages(client, CASE_FIELDS, client.api_url + CASE_FIELDS.path)


def pages(client: Client, endpoint: Endpoint, url: str) -> Iterator[Page]:
    """The page at `url` and all that follow it; raises SourceMalformed where they would not end."""
    seen: set[str] = set()
    empty = 0
    while len(seen) < MAX_PAGES:
        seen.add(url)
        body = client.get(url, endpoint)
        with _named(url):
            page = read_page(body, prefer=endpoint.wrappers)
        yield page
        empty = 0 if page.read else empty + 1
        with _named(url):
            href = _followed(page.following)
            if href is None:
                return
            url = client.rooted(href, url)
            _require_progress(url, seen, empty)
    raise SourceMalformed(f"more than {MAX_PAGES} pages follow each other")


def _followed(link: NextLink) -> str | None:
    if link.problem is not None:
        raise SourceMalformed(link.problem)
    return link.href


def _require_progress(url: str, seen: set[str], empty: int) -> None:
    if url in seen:
        raise SourceMalformed("the next link leads back to a page that was read before")
    if empty >= MAX_EMPTY_PAGES:
        raise SourceMalformed(f"{empty} empty pages follow each other")


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Inside, an error says on which page it was found."""
    try:
        yield
    except SourceMalformed as error:
        raise SourceMalformed(f"{place('GET', url)}: {error}") from None
