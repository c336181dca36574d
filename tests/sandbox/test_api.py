"""The addresses of the stand-in: pages, links, refusals and characters, over real HTTP."""

from datetime import timedelta
from typing import Any

import pytest
import requests

from etl.sandbox import Sandbox, running
from tests.sandbox.caller import NOW, TIMEOUT, Caller

LIST = "/bulk-imports/users"
FIELDS = "/cm/meta/va/fields"


def items(page: Any) -> list[Any]:
    """The items of a page, whatever they are."""
    (found,) = page["_embedded"].values()
    return list(found)


def test_pages_hold_every_import_once(sandbox: Sandbox, caller: Caller) -> None:
    """Following next reads each import once, newest first, and ends."""
    pages = list(caller.pages(f"{LIST}?per_page=5"))

    assert [5, 5, 2] == [len(items(page)) for page in pages]
    assert [i.id for i in sandbox.world.imports()] == [item["id"] for page in pages for item in items(page)]
    assert [(5, 12, 1, 5), (5, 12, 2, 5), (2, 12, 3, 5)] == [
        (page["count"], page["total"], page["page"], page["per_page"]) for page in pages
    ]


def test_links_lead_to_the_neighbours(sandbox: Sandbox, caller: Caller) -> None:
    """Links are absolute, on the sandbox's own base, and keep the rest of the query byte for byte."""
    links = caller.get(f"{LIST}?filter=a%20eq%20b&per_page=5&page=2").json()["_links"]
    base = f"{sandbox.url}{LIST}?filter=a+eq+b&per_page=5&page="

    assert {"self": 2, "first": 1, "last": 3, "next": 3, "prev": 1} == {
        name: int(link["href"].removeprefix(base)) for name, link in links.items()
    }


def test_past_the_end_is_empty(caller: Caller) -> None:
    """A page past the end has no items and no next."""
    body = caller.get(f"{LIST}?page=99").json()

    assert [] == items(body)
    assert {"self", "first", "last", "prev"} == set(body["_links"])


def test_an_empty_account_has_one_empty_page(caller: Caller, sandbox: Sandbox) -> None:
    """No imports are no error."""
    sandbox.world.advance(timedelta(days=30))
    body = caller.get(LIST).json()

    assert (0, 0, []) == (body["total"], body["count"], items(body))
    assert {"self", "first", "last"} == set(body["_links"])


def test_page_size_can_be_set() -> None:
    """A sandbox with small pages gives no larger ones."""
    with running(imports=7, records=5, per_page=3, now=NOW) as sandbox:
        caller = Caller(sandbox)

        assert [3, 3, 1] == [len(items(page)) for page in caller.pages(f"{LIST}?per_page=200")]


def test_items_link_to_their_records(sandbox: Sandbox, caller: Caller) -> None:
    """`self` in a list is the list's address; an export has no records link."""
    listed = {item["type"]: item["_links"] for item in items(caller.get(LIST).json())}

    assert {"href": sandbox.url + LIST} == listed["CREATE_USERS"]["self"]
    assert {"self", "records"} == set(listed["CREATE_USERS"])
    assert {"self"} == set(listed["EXPORT_USERS"])


def test_detail_is_the_listed_item(caller: Caller) -> None:
    """One import alone says the same as in the list, but for its own address."""
    listed = items(caller.get(LIST).json())[0]
    alone = caller.get(f"{LIST}/{listed['id']}").json()

    assert alone["_links"].pop("self")["href"].endswith(f"{LIST}/{listed['id']}")
    assert listed["_links"].pop("self") != {}
    assert listed == alone


def test_records_come_in_pages(sandbox: Sandbox, caller: Caller) -> None:
    """The records link gives every record of the import, in order."""
    first = items(caller.get(LIST).json())[0]
    pages = list(caller.pages(first["_links"]["records"]["href"] + "?per_page=2"))

    assert list(sandbox.world.imports()[0].records) == [record for page in pages for record in items(page)]
    assert first["total_records"] == pages[0]["total"]


def test_case_fields_are_a_bare_array(sandbox: Sandbox, caller: Caller) -> None:
    """Case fields come without wrapper and without pages."""
    assert sandbox.world.case_fields() == caller.get(FIELDS).json()


@pytest.mark.parametrize("import_id", ["a/b", "ä ö", "q\"u'o", "%41", "tab\tline\nend\n", "\0", "?x=1#y", "x" * 5000])
def test_any_id_has_an_address(sandbox: Sandbox, caller: Caller, import_id: str) -> None:
    """Whatever an id is made of, its links work."""
    sandbox.world.add_import(id=import_id, records=1)
    item = items(caller.get(f"{LIST}?per_page=1").json())[0]
    records = caller.get(item["_links"]["records"]["href"]).json()

    assert import_id == item["id"]
    assert 1 == records["total"]
    assert item["_links"]["records"]["href"] + "?page=1&per_page=50" == records["_links"]["self"]["href"]


def test_every_character_survives(sandbox: Sandbox, caller: Caller) -> None:
    """NUL and lone surrogates, which UTF-8 cannot hold, arrive as what they are."""
    sandbox.world.put_import({"id": "odd", "filename": "nul \0 lone \ud800 é"}, [])

    assert "nul \0 lone \ud800 é" == caller.get(f"{LIST}/odd").json()["filename"]


def test_odd_items_are_served_as_given(sandbox: Sandbox, caller: Caller) -> None:
    """No id, no object, links of its own."""
    for odd in ({"status": "QUEUED"}, None, "text", {"id": 7, "_links": None}):
        sandbox.world.put_import(odd, [1])
    numbered, text, nothing, nameless, *_ = items(caller.get(LIST).json())

    assert {"id": 7, "_links": None} == numbered
    assert ("text", None, "QUEUED") == (text, nothing, nameless["status"])
    assert [1] == items(caller.get(f"{LIST}/7/records").json())


def test_gzip_when_accepted(caller: Caller) -> None:
    """A body of some size is compressed for who accepts it, and for nobody else."""
    plain = caller.get(LIST, headers={"Accept-Encoding": "identity"})
    packed = caller.get(LIST, headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert "gzip" == packed.headers["Content-Encoding"]
    assert plain.json() == packed.json()


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "per_page=0", "per_page=1.5", "page=", "page=9999999"]
)
def test_400_for_bad_numbers(caller: Caller, query: str) -> None:
    """Whoever counts wrong is told in which parameter."""
    answer = caller.get(f"{LIST}?{query}x" if query == "page=" else f"{LIST}?{query}")
    name = query.partition("=")[0]

    assert 400 == answer.status_code
    assert [{"name": name, "description": "must be a whole number from 1 on"}] == answer.json()["fields"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic c2FuZGJveDpzYW5kYm94", "Bearer é"])
def test_401_without_a_living_token(sandbox: Sandbox, authorization: str) -> None:
    """No header, no token, an unknown one, another kind."""
    headers = {"Authorization": authorization.encode()}
    answer = requests.get(sandbox.url + LIST, headers=headers, timeout=TIMEOUT)

    assert 401 == answer.status_code
    assert {"code", "message"} == set(answer.json())
    assert "Bearer" == answer.headers["WWW-Authenticate"]


def test_users_are_pages_with_a_link_that_is_a_template(sandbox: Sandbox, caller: Caller) -> None:
    """Whoever submitted an import is one of them; each has an address of its own."""
    page = caller.get("/users").json()
    first = page["_embedded"]["users"][0]
    creators = {each.item["created_by"] for each in sandbox.world.imports()}

    assert {"href": f"{sandbox.url}/users/:id", "templated": True} == page["_links"]["show"]
    assert page["total_pages"] == -(-page["total"] // page["per_page"])
    assert page["total"] == len(sandbox.world.users())
    assert creators <= {user["id"] for user in sandbox.world.users()}
    assert first == caller.get(f"/users/{first['id']}").json()
    assert 404 == caller.get("/users/nobody").status_code


def test_403_when_the_scope_lacks(sandbox: Sandbox, caller: Caller) -> None:
    """A token of one scope opens one resource and not the other."""
    form = {"grant_type": "client_credentials", "scope": "bulk-imports:read"}
    caller.session.headers["Authorization"] = f"Bearer {caller.token(form).json()['access_token']}"
    answer = caller.get(FIELDS)

    assert 200 == caller.get(LIST).status_code
    assert 403 == answer.status_code
    assert "the scope case-fields-public:read is needed" == answer.json()["description"]
    assert 3 == len(sandbox.requests) - 1


@pytest.mark.parametrize("path", [f"{LIST}/none", f"{LIST}/none/records", "/cm/meta/va", "/"])
def test_404_for_what_is_not_there(caller: Caller, path: str) -> None:
    """An unknown import, and an unknown address."""
    assert (404, "not_found") == ((answer := caller.get(path)).status_code, answer.json()["code"])


def test_404_for_what_is_forgotten(sandbox: Sandbox, caller: Caller) -> None:
    """After twenty days an import has no detail and no records."""
    href = items(caller.get(LIST).json())[0]["_links"]["records"]["href"]
    sandbox.world.advance(timedelta(days=20))

    assert 404 == caller.get(href).status_code
    assert 404 == caller.get(href.removesuffix("/records")).status_code


@pytest.mark.parametrize("accept", ["text/csv", "text/html, application/xml;q=0.9"])
def test_406_for_odd_media_types(caller: Caller, accept: str) -> None:
    """Only JSON is to be had."""
    assert 406 == caller.get(LIST, headers={"Accept": accept}).status_code


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/hal+json;q=0.9"])
def test_json_in_any_words(caller: Caller, accept: str) -> None:
    """JSON under its names is given."""
    assert 200 == caller.get(LIST, headers={"Accept": accept}).status_code


def test_refusals_carry_the_trace_id(caller: Caller) -> None:
    """The header that the vendor asks for stands on every refusal."""
    assert 36 == len(caller.get("/none").headers["platform-tid"])
    assert 36 == len(caller.token({}).headers["platform-tid"])


def test_requests_are_remembered(sandbox: Sandbox, caller: Caller) -> None:
    """The log says what was asked, in which words, and whether a token came along."""
    caller.get(f"{LIST}/a%2Fb?page=1&x=%20")
    requests.post(sandbox.url + LIST, timeout=TIMEOUT)

    assert [
        ("POST", "/oauth/token", False),
        ("GET", f"{LIST}/a%2Fb?page=1&x=%20", True),
        ("POST", LIST, False),
    ] == [(seen.method, seen.target, seen.had_token) for seen in sandbox.requests]


def test_a_gateway_stands_before_the_api() -> None:
    """Behind a path prefix the API answers, and its links do not know of the prefix."""
    with running(imports=3, prefix="/gateway/talkdesk", per_page=1) as sandbox:
        caller = Caller(sandbox)
        page = caller.get(LIST).json()
        records = caller.get(f"{LIST}/{items(page)[0]['id']}/records").json()

        assert sandbox.url == f"{sandbox.origin}/gateway/talkdesk"
        assert f"{sandbox.origin}{LIST}?page=2&per_page=1" == page["_links"]["next"]["href"]
        assert records["_links"]["next"]["href"].startswith(f"{sandbox.origin}{LIST}/")
        assert 404 == caller.get(page["_links"]["next"]["href"]).status_code
