"""Pages of the source's collections, each read by following its `next` links and nothing else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from etl import hal
from etl.client import Client
from etl.errors import SourceMalformed
from etl.transport import place

MAX_PAGES = 100_000
MAX_EMPTY_PAGES = 100

_IMPORTS = "/bulk-imports/users"
_CASE_FIELDS = "/cm/meta/va/fields"


class Page(NamedTuple):
    """The items of one answer; `claimed` if it said what it holds, which null and `{}` do not."""

    items: list[Any]
    total: int | None
    claimed: bool


def import_pages(client: Client) -> Iterator[Page]:
    """The list of imports that the source still knows."""
    return pages(client, client.api_url + _IMPORTS, prefer=("imports",))


def fetch_import(client: Client, import_id: str) -> Any:
    """One import by itself; raises NotFound if the source has forgotten it."""
    name = quote(import_id, safe="", errors="replace")
    # Dots alone would be a way up the path, not a name.
    name = name.replace(".", "%2E") if set(name) <= {"."} else name
    return client.get(f"{client.api_url}{_IMPORTS}/{name}")


def record_pages(client: Client, href: str) -> Iterator[Page]:
    """The records behind an import's link."""
    return pages(client, client.rooted(href, client.api_url + _IMPORTS), prefer=("records",))


def case_field_pages(client: Client) -> Iterator[Page]:
    """The case fields with their dictionaries."""
    return pages(client, client.api_url + _CASE_FIELDS, prefer=("fields", "case_fields"))


def pages(client: Client, url: str, *, prefer: Sequence[str] = ()) -> Iterator[Page]:
    """The page at `url` and all that follow it; raises SourceMalformed where they would not end."""
    seen: set[str] = set()
    empty = 0
    while len(seen) < MAX_PAGES:
        seen.add(url)
        body = client.get(url)
        with _named(url):
            page = _page(body, prefer)
        yield page
        empty = 0 if page.items else empty + 1
        with _named(url):
            href = hal.next_href(body)
            if href is None:
                return
            url = client.rooted(href, url)
            _require_progress(url, seen, empty)
    raise SourceMalformed(f"more than {MAX_PAGES} pages follow each other")


def _page(body: Any, prefer: Sequence[str]) -> Page:
    items = hal.items(body, prefer=prefer)
    return Page(items or [], hal.total(body, read=len(items or [])), items is not None)


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
