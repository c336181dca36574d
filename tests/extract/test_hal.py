"""Reading the bodies of the source: JSON with every oddity, wrappers, links."""

from decimal import Decimal
from typing import Any

import pytest

from etl import jsontext
from etl.errors import SourceMalformed
from etl.extract import hal, links

BASE = "https://gateway.example/talkdesk/v1"
CURRENT = f"{BASE}/bulk-imports/users?page=1"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, true, null, "x"]}', {"a": [1, True, None, "x"]}),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"-18446744073709551616", -18446744073709551616),
        (b"9" * 4300, int("9" * 4300)),
        (b"9" * 4301, Decimal("9" * 4301)),
        (b"9" * 131073, "9" * 131073),
        (b"0.1000", Decimal("0.1000")),
        (b"1e400", Decimal("1e400")),
        (b"1e131072", "1e131072"),
        (b"1e-16383", Decimal("1e-16383")),
        (b"1e-16384", "1e-16384"),
        (b"1e99999999999999999999", "1e99999999999999999999"),
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"a\\u0000b"', r"a\u0000b"),
        (rb'"a\\\u0000b"', "a\\\ufffdb"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\ud83d\ude00\u0000"', "\U0001f600\ufffd"),
        (rb'"\ud83dx"', "\ufffdx"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\uD83D\u0041"', "\ufffdA"),
        (rb'{"k\u0000": 1, "k\ud800": 2, "k": 3}', {"k\ufffd": 1, "k\ufffd\ufffd": 2, "k": 3}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_json_that_can_be_read(body: bytes, value: object) -> None:
    """Every digit is kept, and what Postgres refuses is replaced visibly."""
    read = jsontext.parse_json(body)

    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON (Expecting value at character 0)"),
        (b"<html>jane@example.com</html>", "no JSON (Expecting value at character 0)"),
        (b'{"a": 1', "no JSON (Expecting ',' delimiter at character 7)"),
        (b"[NaN]", "no JSON (NaN is no number of JSON at character 0)"),
        (b"[-Infinity]", "no JSON (-Infinity is no number of JSON at character 0)"),
        (b'"\xff"', "the text is not UTF-8"),
        (b'"\xed\xa0\x80"', "the text is not UTF-8"),
        (b"[" * 200_000, "the JSON is nested too deeply"),
        (b"[" * 200_000 + b"]" * 200_000, "the JSON is nested too deeply"),
        (b'{"a":' * 200_000, "the JSON is nested too deeply"),
    ],
)
def test_json_that_cannot_be_read(body: bytes, reason: str) -> None:
    """One error for all of it, and nothing of the text in the error."""
    with pytest.raises(SourceMalformed) as caught:
        jsontext.parse_json(body)

    assert reason == str(caught.value)


def test_trees_of_two_hundred_levels() -> None:
    """Deep dictionaries are read, also by the patient parser."""
    body = b'{"key": "k", "children": [' * 200 + rb'"\u0000"' + b"]}" * 200
    node: Any = jsontext.parse_json(body)
    for _ in range(200):
        node = node["children"][0]

    assert "\ufffd" == node


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (None, None),
        ({}, None),
        ({"_embedded": None}, None),
        ({"_embedded": {}, "_links": {}}, None),
        ({"_embedded": {"imports": None}, "total": 3}, None),
        ({"page": 1, "per_page": 50}, None),
        ({"total": 0}, []),
        ({"_embedded": {"imports": None}, "total": 0}, []),
        ({"_embedded": {}, "count": "0"}, []),
        ([], []),
        ([1, 2], [1, 2]),
        ({"_embedded": {"imports": []}}, []),
        ({"_embedded": {"imports": [1], "warnings": [2]}}, [1]),
        ({"_embedded": {"whatever": [1], "note": "x"}}, [1]),
        ({"_embedded": {"imports": {"id": "1"}}}, [{"id": "1"}]),
        ({"_embedded": [1]}, [1]),
        ({"imports": [1], "total": 1}, [1]),
        ({"lines": [1], "page": 1}, [1]),
        ({"id": "1", "lines": [1]}, [{"id": "1", "lines": [1]}]),
        ({"id": None}, [{"id": None}]),
    ],
)
def test_items(body: object, found: list[object] | None) -> None:
    """Items are found in every wrapper; None says that the answer does not say what it holds."""
    assert found == hal.items(body, prefer=("imports",))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("text", "neither an array nor an object but a str"),
        (5, "neither an array nor an object but a int"),
        ({"_embedded": "x"}, "_embedded is no object"),
        ({"_embedded": {"b": [1], "a": [2]}}, "not exactly one array, but the keys 2 unknown"),
        ({"_embedded": {"imports": "x"}}, "not exactly one array, but the keys imports"),
        ({"_embedded": {"jane@example.com": 1, "n": 2}}, "not exactly one array, but the keys 2 unknown"),
    ],
)
def test_bodies_without_items(body: object, reason: str) -> None:
    """The keys that were seen are named, as far as they are known."""
    with pytest.raises(SourceMalformed) as caught:
        hal.items(body, prefer=("imports",))

    assert reason == str(caught.value)


@pytest.mark.parametrize(
    ("links", "href"),
    [
        (None, None),
        ({}, None),
        ([], None),
        ({"next": None}, None),
        ({"next": {}}, None),
        ({"next": []}, None),
        ({"next": {"href": None}}, None),
        ({"next": {"href": ""}}, None),
        ({"next": {"href": "/a?b=%20"}}, "/a?b=%20"),
        ({"next": {"href": "http://h:80/a", "templated": False}}, "http://h:80/a"),
        ({"next": [{"href": "/a"}]}, "/a"),
        ({"next": "/a"}, "/a"),
    ],
)
def test_links(links: object, href: str | None) -> None:
    """The same holds for the link to the next page and for the one to an import's records."""
    renamed = {"records": links.get("next")} if isinstance(links, dict) else links

    assert href == hal.next_href({"_links": links})
    assert href == hal.records_href({"_links": renamed})


@pytest.mark.parametrize(
    ("links", "reason"),
    [
        ("/a", "_links is no object"),
        ({"next": 5}, "the next link is no text"),
        ({"next": {"href": ["/a"]}}, "the next link is no text"),
        ({"next": [{"href": "/a"}, {"href": "/b"}]}, "the next link is no text"),
        ({"next": {"href": "/a", "templated": True}}, "the next link is a template, not an address"),
        ({"next": {"href": "/a{?page}"}}, "the next link is a template, not an address"),
        ({"next": {"href": "https://h/a/:id"}}, "the next link is a template, not an address"),
    ],
)
def test_links_that_cannot_be_followed(links: object, reason: str) -> None:
    """A link that is there but leads nowhere is an error, not the last page."""
    with pytest.raises(SourceMalformed) as caught:
        hal.next_href({"_links": links})

    assert reason == str(caught.value)


def test_bodies_without_links() -> None:
    """An array, a text and null have no next page."""
    bodies: tuple[object, ...] = ([], "x", None)

    assert [None] * 3 == [hal.next_href(body) for body in bodies]


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7), ("7", 7), (0, 0), (None, None), (-1, None), (True, None), ("x", None), ("\u0667", None), (7.5, None)],
)
def test_total(value: object, number: int | None) -> None:
    """A count that is none is no count."""
    assert number == hal.total({"total": value})
    assert hal.total([]) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [(b'{"code": "x"}', "x"), (b'{"code": 5}', 5), (b"[]", None), (b"<html>", None), (b"", None), (b"{}", None)],
)
def test_error_code(body: bytes, code: object) -> None:
    """The code of an error is read from whatever came."""
    assert code == hal.error_code(body)


@pytest.mark.parametrize(
    ("href", "address"),
    [
        (f"{BASE}/x", f"{BASE}/x"),
        ("/talkdesk/v1/x?a=%2f&b=%2F&c=100%", f"{BASE}/x?a=%2f&b=%2F&c=100%"),
        ("/x", f"{BASE}/x"),
        ("/talkdesk/v10/x", f"{BASE}/talkdesk/v10/x"),
        ("http://api-docs.talkdesk.org/bulk-imports/users?page=2", f"{BASE}/bulk-imports/users?page=2"),
        ("https://evil.example", f"{BASE}/"),
        ("//evil.example/x", f"{BASE}/x"),
        ("https://gateway.example@evil.example/x", f"{BASE}/x"),
        ("https://evil.example//evil.example/x", f"{BASE}//evil.example/x"),
        ("@evil.example/x", f"{BASE}/bulk-imports/@evil.example/x"),
        ("x/records", f"{BASE}/bulk-imports/x/records"),
        ("?page=2", f"{BASE}/bulk-imports/users?page=2"),
        ("../../../../x", f"{BASE}/x"),
        ("/x#part", f"{BASE}/x"),
        (" /a b\tc\u00e9\ud800\r\n", f"{BASE}/a%20b%09c%C3%A9%ED%A0%80"),
        ("/x\r\nAuthorization: y", f"{BASE}/x%0D%0AAuthorization:%20y"),
    ],
)
def test_rooted(href: str, address: str) -> None:
    """Every link leads to the configured origin, under its path; the rest stays as it is."""
    assert address == links.rooted(href, current=CURRENT, base=BASE)


@pytest.mark.parametrize("href", ["mailto:jane@example.com", "javascript:x", "https:x", "urn:a:b", "http://[::1/x"])
def test_links_that_are_no_address(href: str) -> None:
    """A link of another kind is refused, and not repeated."""
    with pytest.raises(SourceMalformed, match=r"^a link is no (http )?address$"):
        links.rooted(href, current=CURRENT, base=BASE)
