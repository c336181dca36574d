"""Reading the bodies of the source: JSON, HAL wrappers, pages and links (pure)."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from etl.errors import SourceMalformed
from etl.extract import words
from etl.jsontext import parse_json

# No list is longer, and what is longer no bigint holds.
_MAX_LENGTH = 2**63 - 1

_PAGING = frozenset({"_embedded", "_links", "count", "total", "page", "per_page", "total_pages"})
_ERROR = frozenset({"code", "message", "description", "fields", "error", "error_description"})
_TEMPLATE = re.compile(r"\{|/:[A-Za-z_]")


class NextLink(NamedTuple):
    """Where the next page is, if there is one, or why the link to it cannot be followed."""

    href: str | None = None
    problem: str | None = None


class Page(NamedTuple):
    """The body of one answer and what its head says: `read` items are in it.

    `claimed` if it said what it holds, which null and `{}` do not.
    """

    body: bytes
    read: int
    total: int | None
    claimed: bool
    following: NextLink = NextLink()
    total_pages: int | None = None


class _Outline(msgspec.Struct):
    """A page as nearly all are; its items stay the bytes that they came as."""

    embedded: dict[str, list[msgspec.Raw]] = msgspec.field(name="_embedded")
    links: Any = msgspec.field(name="_links", default=None)
    total: Any = None
    count: Any = None
    total_pages: Any = None


def read_page(body: bytes, *, prefer: Sequence[str] = ()) -> Page:
    """Return the page that an answer is; raises NotJson, or SourceMalformed where no list can be found in it."""
    said = head(body)
    found = items(said, prefer=prefer)
    read = len(found or ())
    return Page(body, read, total(said, read=read), found is not None, _next_link(said), _total_pages(said))


def read_items(body: bytes, *, prefer: Sequence[str] = ()) -> list[Any]:
    """Return the items of a page, parsed."""
    return items(parse_json(body), prefer=prefer) or []


def head(body: bytes) -> Any:
    """Parse the body, but not its items if it has the form that nearly all have; that costs a tenth."""
    try:
        outline = _outline.decode(body)
    except (ValueError, RecursionError):
        return parse_json(body)
    if isinstance(outline, list):
        return outline
    if not outline.embedded:
        return parse_json(body)
    said = {"total": outline.total, "count": outline.count, "total_pages": outline.total_pages}
    return {"_embedded": outline.embedded, "_links": outline.links, **said}


_outline = msgspec.json.Decoder(_Outline | list[msgspec.Raw])


def _next_link(body: object) -> NextLink:
    try:
        return NextLink(next_href(body))
    except SourceMalformed as error:
        return NextLink(problem=str(error))


def items(body: object, *, prefer: Sequence[str] = ()) -> list[Any] | None:
    """Return the items of an answer: of its HAL wrapper, of a bare array, or the one object that it is.

    None if the answer does not say what it holds: null, an empty object, a wrapper without an array.
    """
    if body is None or isinstance(body, list):
        return body
    if not isinstance(body, dict):
        raise SourceMalformed(f"neither an array nor an object but a {type(body).__name__}")
    wrapper = body.get("_embedded") or _wrapper_or_item(body, prefer)
    found = wrapper if isinstance(wrapper, list) else _array(wrapper, prefer)
    return [] if found is None and _length(body.get("total", body.get("count"))) == 0 else found


def _wrapper_or_item(body: dict[str, Any], prefer: Sequence[str]) -> dict[str, Any] | list[Any]:
    """Return what stands beside the paging if that is one array or nothing; else the body is itself an item."""
    content = {key: value for key, value in body.items() if key not in _PAGING}
    if content and content.keys() <= _ERROR:
        raise SourceMalformed(f"an error in place of the items: {words.keys(content)}")
    arrays = [key for key, value in content.items() if isinstance(value, list) or key in prefer]
    return content if len(content) == len(arrays) <= 1 else [body]


def _array(wrapper: object, prefer: Sequence[str]) -> list[Any] | None:
    """Return the one array in a wrapper, by a name that is known or the only one there; None if all is null."""
    if not isinstance(wrapper, dict):
        raise SourceMalformed("_embedded is no object")
    known = [wrapper[name] for name in prefer if wrapper.get(name) is not None]
    values = known[:1] or [value for value in wrapper.values() if isinstance(value, list)]
    if all(value is None for value in wrapper.values()):
        return None
    if len(values) != 1 or not isinstance(values[0], list | dict):
        raise SourceMalformed(f"not exactly one array, but the keys {words.keys(wrapper)}")
    return values[0] if isinstance(values[0], list) else values


def next_href(body: object) -> str | None:
    """Return where the next page is; None on the last one."""
    return _href(body, "next")


def records_href(item: object) -> str | None:
    """Return where the records of an import are; None if it has none to fetch."""
    return _href(item, "records")


def _href(holder: object, relation: str) -> str | None:
    links = (holder.get("_links") if isinstance(holder, dict) else None) or {}
    if not isinstance(links, dict):
        raise SourceMalformed("_links is no object")
    link = links.get(relation)
    if isinstance(link, list) and len(link) <= 1:
        link = link[0] if link else None
    href = link.get("href") if isinstance(link, dict) else link
    if href is None or href == "":
        return None
    if not isinstance(href, str):
        raise SourceMalformed(f"the {relation} link is no text")
    if (isinstance(link, dict) and link.get("templated") is True) or _TEMPLATE.search(href):
        raise SourceMalformed(f"the {relation} link is a template, not an address")
    return href


def total(body: object, *, read: int = 0) -> int | None:
    """How many items the source says there are on all pages; failing that, its count if that is more than were read."""
    if not isinstance(body, dict):
        return None
    said, count = _length(body.get("total")), _length(body.get("count"))
    return count if said is None and count is not None and count > read else said


def _total_pages(body: object) -> int | None:
    return _length(body.get("total_pages")) if isinstance(body, dict) else None


def error_code(body: bytes) -> object:
    """Return the code in the body of an error, None if there is none."""
    try:
        error = parse_json(body)
    except SourceMalformed:
        return None
    return error.get("code") if isinstance(error, dict) else None


def _length(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:  # noqa: PLR2004 - bigint
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, _MAX_LENGTH)
