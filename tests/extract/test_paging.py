"""Pages of a collection, from the first to the last and no further."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etl.errors import NotFound, SourceMalformed
from etl.extract import paging
from etl.extract.client import Client
from etl.extract.endpoints import IMPORTS
from etl.extract.hal import NextLink, Page, read_items
from tests.extract.scripted_server import ScriptedServer, reply, settings_for


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(name="client")
def _client(server: ScriptedServer) -> Client:
    return Client(settings_for(server, api_url=f"{server.origin}/prefix"), stop=threading.Event())


def body_of(answer: bytes) -> bytes:
    """What an answer holds."""
    return answer.partition(b"\r\n\r\n")[2]


def page(items: list[Any], following: object = None, wrapper: str = "imports", **more: object) -> bytes:
    return reply(200, {"_embedded": {wrapper: items}, "_links": {"next": following}, **more})


def test_imports(server: ScriptedServer, client: Client) -> None:
    """Pages follow each other by their links, wherever these claim to lead."""
    path = "/prefix/bulk-imports/users"
    first, second = "http://api-docs.talkdesk.org/bulk-imports/users?page=2", "?page=3"
    answers = [page([1, 2], {"href": first}, total=3), page([3], {"href": second}, total=3), page([])]
    server.steps |= {
        target: [answer] for target, answer in zip((path, f"{path}?page=2", f"{path}?page=3"), answers, strict=True)
    }

    found = list(paging.import_pages(client))

    bodies = [body_of(answer) for answer in answers]
    assert [
        Page(bodies[0], 2, 3, claimed=True, following=NextLink(first)),
        Page(bodies[1], 1, 3, claimed=True, following=NextLink(second)),
        Page(bodies[2], 0, None, claimed=True),
    ] == found
    assert [path, f"{path}?page=2", f"{path}?page=3"] == server.targets()


def test_case_fields(server: ScriptedServer, client: Client) -> None:
    """The bare array of the documentation is one page."""
    server.steps["/prefix/cm/meta/va/fields"] = [reply(200, [{"id": "1"}])]

    assert [Page(b'[{"id": "1"}]', 1, None, claimed=True)] == list(paging.case_field_pages(client))


@pytest.mark.parametrize(
    "href", ["/bulk-imports/users/7/records", "users/7/records", "http://10.0.0.1/prefix/bulk-imports/users/7/records"]
)
def test_records(server: ScriptedServer, client: Client, href: str) -> None:
    """The link of an import leads to its records."""
    answer = page([{"line": 1}], wrapper="rows")
    server.steps["/prefix/bulk-imports/users/7/records"] = [answer]

    assert [Page(body_of(answer), 1, None, claimed=True)] == list(paging.record_pages(client, href))


@pytest.mark.parametrize("body", [None, {}, {"_embedded": None}, {"_links": {}}])
def test_answers_that_say_nothing(server: ScriptedServer, client: Client, body: object) -> None:
    """An answer without any content is a page that claims nothing."""
    server.steps["/prefix/bulk-imports/users"] = [reply(200, body)]

    assert [Page(json.dumps(body).encode(), 0, None, claimed=False)] == list(paging.import_pages(client))


@pytest.mark.parametrize(
    ("import_id", "target"),
    [
        ("7", "7"),
        ("a/b?c#d e%", "a%2Fb%3Fc%23d%20e%25"),
        ("\u00e9'\"", "%C3%A9%27%22"),
        ("..", "%2E%2E"),
        ("a.b", "a.b"),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_one_import(server: ScriptedServer, client: Client, import_id: str, target: str) -> None:
    """Any id is one part of the path."""
    server.steps[f"/prefix/bulk-imports/users/{target}"] = [reply(200, {"id": import_id})]

    assert json.dumps({"id": import_id}).encode() == paging.fetch_import(client, import_id)


def test_import_that_is_gone(client: Client) -> None:
    """An import that the source has forgotten is an error with a name."""
    with pytest.raises(NotFound):
        paging.fetch_import(client, "7")


@pytest.mark.parametrize(
    ("hrefs", "reason"),
    [
        (["/x?1"], "leads back"),
        (["/x?2", "/x?3", "/x?2"], "leads back"),
        (["http://elsewhere.example/x?1"], "leads back"),
        (["/x?2", "mailto:x"], "no http address"),
        (["/x{?page}"], "template"),
        ([5], "no text"),
    ],
)
def test_links_that_do_not_end(server: ScriptedServer, client: Client, hrefs: list[object], reason: str) -> None:
    """A ring, a template and a link to nowhere end the listing with an error; what was read before stays."""
    for number, href in enumerate(hrefs, 1):
        server.steps[f"/prefix/x?{number}"] = [page([number], {"href": href})]
    found = paging.pages(client, IMPORTS, f"{client.api_url}/x?1")
    read = [read_items(next(found).body) for _ in hrefs]

    with pytest.raises(SourceMalformed, match=rf"^GET 127\.0\.0\.1:\d+/…/…: .*{reason}"):
        next(found)
    assert [[number] for number in range(1, len(hrefs) + 1)] == read
    assert len(hrefs) == len(server.targets())


def test_empty_pages_without_end(server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some empty pages may follow each other, many do not."""
    monkeypatch.setattr(paging, "MAX_EMPTY_PAGES", 3)
    for number in range(9):
        items = [number] if number == 2 else []
        server.steps[f"/prefix/x?{number}"] = [page(items, {"href": f"/x?{number + 1}"})]

    with pytest.raises(SourceMalformed, match="3 empty pages follow each other"):
        list(paging.pages(client, IMPORTS, f"{client.api_url}/x?0"))
    assert 6 == len(server.targets())


def test_pages_without_end(server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a number of pages that no collection has."""
    monkeypatch.setattr(paging, "MAX_PAGES", 2)
    for number in range(3):
        server.steps[f"/prefix/x?{number}"] = [page([number], {"href": f"/x?{number + 1}"})]

    with pytest.raises(SourceMalformed, match="more than 2 pages follow each other"):
        list(paging.pages(client, IMPORTS, f"{client.api_url}/x?0"))


def lead_on(server: ScriptedServer, items: Callable[[int], list[Any]], *, number: int = 400, **more: Any) -> None:
    """Afterwards each of so many pages leads to another that nobody has seen."""
    for each in range(number):
        following = {"href": f"/x?{each + 1}"} if each + 1 < number else None
        server.steps[f"/prefix/x?{each}"] = [page(items(each), following, **more)]


STALE: dict[str, Callable[[int], list[Any]]] = {
    "the same page": lambda _: [{"id": str(number)} for number in range(50)],
    "one item": lambda _: [{"id": 7}],
    "pages in a circle": lambda number: [{"id": f"{number % 3}-{each}"} for each in range(20)],
    "the same ids": lambda number: [{"id": str(each), "seen_at": number} for each in range(20)],
    "no ids": lambda _: [{"line": each} for each in range(30)],
    "null ids": lambda _: [{"id": None, "line": each} for each in range(30)],
    "another order": lambda number: [{"id": (each * 7 + number) % 31} for each in range(31)],
    "no objects": lambda _: [1, "x", [2]],
    "empty ones between": lambda number: [] if number % 2 else [{"id": 1}],
    "with half a surrogate": lambda _: [{"id": "\ud800"}],
    "a part of what was there": lambda number: [{"id": each} for each in range(max(9 - number, 1))],
}


@pytest.mark.parametrize("kind", STALE)
def test_pages_that_bring_nothing_new(server: ScriptedServer, client: Client, kind: str) -> None:
    """They end after a few, wherever their links lead."""
    lead_on(server, STALE[kind])

    with pytest.raises(SourceMalformed, match="12 pages follow each other with nothing that was not read before"):
        list(paging.pages(client, IMPORTS, f"{client.api_url}/x?0"))
    assert len(server.targets()) <= 36


@pytest.mark.parametrize("said", [{"total": 2}, {"total": "60"}, {"count": 40}])
def test_far_more_items_than_there_are(server: ScriptedServer, client: Client, said: dict[str, Any]) -> None:
    """However new they are."""
    lead_on(server, lambda number: [{"id": f"{number}-{each}"} for each in range(30)], **said)

    with pytest.raises(SourceMalformed, match=r"10\d\d|11\d\d imports were read and more follow, of"):
        list(paging.pages(client, IMPORTS, f"{client.api_url}/x?0"))
    assert len(server.targets()) <= 40


def test_far_more_records_than_the_import_has(server: ScriptedServer, client: Client) -> None:
    """What the import says counts where its pages say nothing."""
    lead_on(server, lambda number: [{"id": f"{number}-{each}"} for each in range(30)])

    with pytest.raises(SourceMalformed, match="1020 records were read and more follow, of 3"):
        list(paging.record_pages(client, "/x?0", expected=3))


HONEST: dict[str, tuple[Callable[[int], list[Any]], dict[str, Any]]] = {
    "overlapping pages": (lambda number: [{"id": 10 * number + each} for each in range(20)], {"total": 200}),
    "a total that lags": (lambda number: [{"id": number}], {"total": 17}),
    "no total": (lambda number: [{"id": number}], {}),
    "equal rows": (lambda _: [{"line": 1}] * 50, {"total": 1000}),
    "empty pages in the middle": (lambda number: [{"id": 1}] if number in {0, 19} else [], {}),
    "an item a page, now and then a new one": (lambda number: [{"id": number // 10}], {}),
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_pages_are_read(server: ScriptedServer, client: Client, kind: str) -> None:
    """Overlaps, duplicates, totals that are wrong by a few, and rows of a file that are equal."""
    items, said = HONEST[kind]
    lead_on(server, items, number=20, **said)

    assert 20 == len(list(paging.pages(client, IMPORTS, f"{client.api_url}/x?0")))
