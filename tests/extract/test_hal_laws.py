"""Laws of reading bodies: JSON comes back as it went in, links never lead away."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from etl import jsontext
from etl.errors import SourceMalformed
from etl.extract import hal, links

BASES = st.sampled_from(
    ["https://api.talkdeskapp.com", "https://gateway.example:8443/talkdesk/v1", "http://127.0.0.1:8080/mid"]
)
ODD_TEXT = st.text(st.characters(exclude_categories=())) | st.text("a\0\ud800\udc00\ufffd\\u\"'")
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | ODD_TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXT, inner, max_size=4))
HREFS = ODD_TEXT | st.builds(
    "".join,
    st.lists(st.sampled_from(["http:", "https:", "//", "/", "\\", "@", "evil.example", "?", "#", ":", "..", "a"])),
)


def as_json(value: Any) -> str:
    """The value as JSON, a Decimal as the number that it is."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(map(as_json, value))}]"
    if isinstance(value, dict):
        pairs = ",".join(f"{json.dumps(key)}:{as_json(inner)}" for key, inner in value.items())
        return f"{{{pairs}}}"
    return json.dumps(value)


def clean(value: Any) -> Any:
    """The value without the characters that Postgres refuses."""
    if isinstance(value, str):
        # json.loads joins two halves of a surrogate pair that happen to meet.
        joined = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return re.sub("[\0\ud800-\udfff]", "\ufffd", joined)
    if isinstance(value, list):
        return [clean(inner) for inner in value]
    if isinstance(value, dict):
        return {clean(key): clean(inner) for key, inner in value.items()}
    return value


def texts(value: Any) -> Iterator[str]:
    """All texts at all levels, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value:
            yield from texts(inner)
        for inner in value.values() if isinstance(value, dict) else ():
            yield from texts(inner)


def count_of_keys(value: Any) -> int:
    """How many keys there are at all levels."""
    if isinstance(value, list):
        return sum(map(count_of_keys, value))
    return len(value) + sum(map(count_of_keys, value.values())) if isinstance(value, dict) else 0


@given(VALUES)
def test_json_comes_back(value: Any) -> None:
    """What is written is read: the same but for what Postgres refuses, and no key is lost."""
    read = jsontext.parse_json(as_json(value).encode())

    assert count_of_keys(value) == count_of_keys(read)
    if count_of_keys(value) == count_of_keys(clean(value)):
        assert clean(value) == read
    assert b"\0" not in "".join(texts(read)).encode()


def outcome(read: Callable[[], object]) -> object:
    """What is read, or why nothing is."""
    try:
        return read()
    except SourceMalformed as error:
        return str(error)


@given(st.binary() | st.text().map(str.encode) | VALUES.map(as_json).map(str.encode))
def test_what_passes_for_json_can_be_parsed(body: bytes) -> None:
    """The quick look refuses what the parser refuses, with the same words, and nothing else."""

    def check() -> None:
        jsontext.require_json(body)

    def parse() -> None:
        jsontext.parse_json(body)

    assert outcome(parse) == outcome(check)


LENGTHS = st.none() | st.integers(0, 9) | st.just("2") | st.just(1.5) | st.just(Decimal("1e400"))
WRAPPERS = st.dictionaries(st.sampled_from(["records", "rows", "\0", "note"]), st.lists(VALUES, max_size=3) | VALUES)
LINKS = st.fixed_dictionaries({"next": VALUES | st.fixed_dictionaries({"href": st.just("/x?page=2")})})
BODIES = VALUES | st.fixed_dictionaries(
    {},
    optional={"_embedded": WRAPPERS, "_links": LINKS | VALUES, "total": LENGTHS, "count": LENGTHS, "records": VALUES},
)


@given(BODIES)
def test_the_head_says_what_the_whole_body_says(value: Any) -> None:
    """However little of a body is parsed for it."""
    body = as_json(value).encode()

    def whole() -> tuple[object, ...]:
        parsed = jsontext.parse_json(body)
        items = hal.items(parsed, prefer=("records",))
        read = len(items or ())
        return read, hal.total(parsed, read=read), items is not None, outcome(lambda: hal.next_href(parsed))

    def head() -> tuple[object, ...]:
        page = hal.read_page(body, prefer=("records",))
        return page.read, page.total, page.claimed, page.following.href or page.following.problem

    assert outcome(whole) == outcome(head)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Whatever comes, nothing but SourceMalformed is raised."""
    with suppress(SourceMalformed):
        jsontext.parse_json(body)


@given(href=HREFS, base=BASES, page=st.integers())
def test_links_never_lead_away(href: str, base: str, page: int) -> None:
    """Whatever a link says, its address is on the configured origin, under its path, and fit for a request line."""
    current = f"{base}/bulk-imports/users?page={page}"
    try:
        address = links.rooted(href, current=current, base=base)
    except SourceMalformed:
        return

    assert urlsplit(base)[:2] == urlsplit(address)[:2]
    assert address.startswith(f"{base}/") or address.partition("?")[0] == base
    assert re.fullmatch(r"[!-~]+", address)
    assert address == links.rooted(address, current=current, base=base)


@given(body=VALUES, names=st.lists(st.sampled_from(["imports", "records"])))
def test_any_value_has_items_or_is_refused(body: Any, names: list[str]) -> None:
    """Whatever is parsed, nothing but SourceMalformed is raised."""
    for read in (lambda: hal.items(body, prefer=names), lambda: hal.next_href({"_links": body})):
        with suppress(SourceMalformed):
            read()
