"""Every fault does what it says, to the requests it is meant for, and is gone when it is switched off."""

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from etl.sandbox import Sandbox, running
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import rules, stream
from tests.sandbox.caller import Caller

LIST = "/bulk-imports/users"
FIELDS = "/cm/meta/va/fields"
FORM = {"grant_type": "client_credentials"}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_gateway_errors(sandbox: Sandbox, caller: Caller, status: int) -> None:
    """A gateway fails with HTML, or with nothing."""
    sandbox.faults.use(f"{status},times=1")
    sandbox.faults.use(f"{status}=empty,times=1")
    empty, html = caller.get(LIST), caller.get(LIST)

    assert (status, b"") == (empty.status_code, empty.content)
    assert (status, "text/html; charset=utf-8") == (html.status_code, html.headers["Content-Type"])
    assert 200 == caller.get(LIST).status_code


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406])
def test_documented_refusals(sandbox: Sandbox, caller: Caller, status: int) -> None:
    """A refusal without a reason of its own has the documented body."""
    sandbox.faults.use(str(status))
    answer = caller.get(LIST)

    assert status == answer.status_code
    assert {"code", "message"} == set(answer.json())


@pytest.mark.parametrize(("name", "header"), [("429=7", "7"), ("429=3600", "3600"), ("429", None)])
def test_throttled(sandbox: Sandbox, caller: Caller, name: str, header: str | None) -> None:
    """429 says how long to wait, or does not."""
    sandbox.faults.use(name)
    answer = caller.get(LIST)

    assert (429, header) == (answer.status_code, answer.headers.get("Retry-After"))


def test_throttled_until_a_date(sandbox: Sandbox, caller: Caller) -> None:
    """429 names an instant that lies ahead."""
    sandbox.faults.use("429-date=60")
    instant = parsedate_to_datetime(caller.get(LIST).headers["Retry-After"])

    assert 55 < (instant - datetime.now(UTC)).total_seconds() <= 60


def test_slow(sandbox: Sandbox, caller: Caller) -> None:
    """The answer is right, but late; so is a token."""
    sandbox.faults.use("slow=0.2,path=.")
    started = time.monotonic()

    assert 200 == caller.get(LIST).status_code
    assert 200 == caller.token(FORM).status_code
    assert time.monotonic() - started > 0.4


def test_slow_outlasts_impatience(sandbox: Sandbox, caller: Caller) -> None:
    """Who waits for less gets nothing."""
    sandbox.faults.use("slow=1")
    with pytest.raises(requests.ReadTimeout):
        caller.get(LIST, timeout=0.1)


def test_drip(sandbox: Sandbox, caller: Caller) -> None:
    """No read is longer than the timeout, and yet the whole answer is."""
    sandbox.faults.use("drip=0.02")
    started = time.monotonic()

    assert 12 == caller.get(LIST, timeout=0.2).json()["total"]
    assert time.monotonic() - started > 0.3


def test_hang(sandbox: Sandbox, caller: Caller) -> None:
    """Nothing comes for as long as one waits; others are served meanwhile."""
    sandbox.faults.use("hang,path=/cm/")
    with pytest.raises(requests.ReadTimeout):
        caller.get(FIELDS, timeout=0.2)

    assert 200 == caller.get(LIST).status_code


def test_reset(sandbox: Sandbox, caller: Caller) -> None:
    """The connection is reset, on a new connection and on a kept one."""
    sandbox.faults.use("reset")
    with pytest.raises(requests.ConnectionError, match="reset"):
        caller.get(LIST)

    assert 2 == len(sandbox.requests)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("name", ["cut", "cut-stream"])
def test_cut(sandbox: Sandbox, caller: Caller, name: str, encoding: str) -> None:
    """The head is right, and half of the body never comes."""
    sandbox.faults.use(name)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.get(LIST, headers={"Accept-Encoding": encoding})


def test_cut_is_in_mid_body(sandbox: Sandbox, caller: Caller) -> None:
    """What was promised and what came can be counted."""
    whole = len(caller.get(LIST, headers={"Accept-Encoding": "identity"}).content)
    sandbox.faults.add(stream.cut())
    answer = caller.get(LIST, stream=True)
    with answer, pytest.raises(requests.exceptions.ChunkedEncodingError, match=f"{whole // 2} bytes read"):
        answer.content  # noqa: B018 - reading is the act

    assert str(whole) == answer.headers["Content-Length"]


@pytest.mark.parametrize("name", ["login-page", "broken-json", "nested", "null", "nan"])
def test_other_bodies(sandbox: Sandbox, caller: Caller, name: str) -> None:
    """200 with something else than what was asked for."""
    sandbox.faults.use(name)
    answer = caller.get(LIST)
    expected = {
        "login-page": faulty.LOGIN_PAGE,
        "broken-json": faulty.BROKEN_JSON,
        "nested": faulty.NESTED_JSON,
        "null": b"null",
        "nan": faulty.NOT_A_NUMBER,
    }

    assert (200, expected[name]) == (answer.status_code, answer.content)


def test_byte_order_mark(sandbox: Sandbox, caller: Caller) -> None:
    """The body is right behind its mark."""
    sandbox.faults.use("bom")
    body = caller.get(LIST).content

    assert b"\xef\xbb\xbf{" == body[:4]
    assert 12 == json.loads(body.decode("utf-8-sig"))["total"]


def test_invalid_utf8(sandbox: Sandbox, caller: Caller) -> None:
    """The body looks like JSON and cannot be decoded."""
    sandbox.faults.use("invalid-utf8")
    with pytest.raises(UnicodeDecodeError):
        caller.get(FIELDS).content.decode()


@pytest.mark.parametrize("digits", ["1e400", "170141183460469231731687303715884105728"])
def test_huge_numbers(sandbox: Sandbox, caller: Caller, digits: str) -> None:
    """Totals and lines are numbers that fit nowhere."""
    sandbox.faults.use(f"number={digits}")

    assert f'"total_records":{digits}' in caller.get(LIST).text
    assert f'"line":{digits}' in caller.get(f"{LIST}/{sandbox.world.imports()[0].id}/records").text


def test_wrong_and_missing_totals(sandbox: Sandbox, caller: Caller) -> None:
    """The listing lies about its length, or does not say it."""
    sandbox.faults.use("wrong-total=-2,times=1")
    assert 10 == caller.get(LIST).json()["total"]

    sandbox.faults.use("no-total")
    assert {"_embedded", "_links"} == set(caller.get(LIST).json())


def next_href(caller: Caller, path: str) -> Any:
    """The next link of a page, with the API's address left out."""
    link = caller.get(path).json()["_links"]["next"]
    return link | {"href": link["href"].removeprefix(caller.sandbox.url)}


def test_next_leads_nowhere(sandbox: Sandbox, caller: Caller) -> None:
    """The next link leads to itself, to the first page again, or is a template."""
    last = f"{LIST}?page=3&per_page=5"
    sandbox.faults.use("next-self,times=1")
    assert {"href": last} == next_href(caller, last)

    sandbox.faults.use("next-ring,times=2")
    assert {"href": f"{LIST}?page=3&per_page=5"} == next_href(caller, f"{LIST}?page=2&per_page=5")
    assert {"href": f"{LIST}?page=1&per_page=5"} == next_href(caller, last)

    sandbox.faults.use("next-templated")
    assert {"href": last + "{&cursor}", "templated": True} == next_href(caller, last)


@pytest.mark.parametrize(("name", "origin"), [("links-to", "http://api-docs.talkdesk.org"), ("links-relative", "")])
def test_links_lead_elsewhere(sandbox: Sandbox, caller: Caller, name: str, origin: str) -> None:
    """Every link names another origin, or none."""
    sandbox.faults.use(name)
    page = caller.get(f"{LIST}?per_page=5").json()

    assert f"{origin}{LIST}?per_page=5&page=2" == page["_links"]["next"]["href"]
    assert page["_embedded"]["imports"][0]["_links"]["records"]["href"].startswith(f"{origin}{LIST}/")


def test_redirects(sandbox: Sandbox, caller: Caller) -> None:
    """Another origin gets nothing but the same path; the same origin answers there."""
    sandbox.faults.use("redirect=http://localhost:1,times=1")
    away = caller.get(f"{LIST}?page=1")
    sandbox.faults.use("redirect-here")
    here = caller.get(f"{LIST}?page=1")

    assert (302, f"http://localhost:1{LIST}?page=1") == (away.status_code, away.headers["Location"])
    assert (302, f"{LIST}?page=1&moved=1") == (here.status_code, here.headers["Location"])
    assert 200 == caller.get(LIST, allow_redirects=True).status_code


def test_tokens_die_in_mid_run(sandbox: Sandbox, caller: Caller) -> None:
    """Every third request finds its token dead; a new one helps."""
    sandbox.faults.use("token-dies,every=3")

    assert [200, 200, 401, 401] == [caller.get(LIST).status_code for _ in range(4)]

    caller.log_in()
    assert [200, 401] == [caller.get(LIST).status_code for _ in range(2)]


def test_dead_tokens_are_403(sandbox: Sandbox, caller: Caller) -> None:
    """As in the oldest guide; what is alive stays 200."""
    sandbox.faults.use("token-403")
    assert 200 == caller.get(LIST).status_code

    sandbox.tokens.revoke_all()
    assert 403 == caller.get(LIST).status_code


def test_scope_is_reduced(sandbox: Sandbox, caller: Caller) -> None:
    """The token says that it allows less, and allows less; a refused request stays refused."""
    sandbox.faults.use("scope")
    caller.log_in()

    assert "bulk-imports:read" == caller.token(FORM).json()["scope"]
    assert [200, 403] == [caller.get(path).status_code for path in (LIST, FIELDS)]
    assert 401 == caller.token(FORM, auth=None).status_code


@pytest.mark.parametrize(
    ("scope", "status"),
    [({}, 401), ({"scope": "bulk-imports:read case-fields-public:read"}, 401), ({"scope": "bulk-imports:read"}, 200)],
)
def test_a_new_scope_does_not_act_yet(sandbox: Sandbox, caller: Caller, scope: dict[str, str], status: int) -> None:
    """Who asks for the new scope gets no token; who does not gets one."""
    sandbox.faults.use("new-scope")

    assert status == caller.token(FORM | scope).status_code


def test_a_listing_shifts_while_it_is_read(sandbox: Sandbox, caller: Caller) -> None:
    """A new import after the first page makes the second repeat one; a vanished one makes it skip one."""
    listed = [bulk_import.id for bulk_import in sandbox.world.imports()]

    def read() -> list[str]:
        pages = caller.pages(f"{LIST}?per_page=6")
        return [item["id"] for page in pages for item in page["_embedded"]["imports"]]

    sandbox.faults.use("appears,times=1")
    assert [*listed[:6], *listed[5:]] == read()

    sandbox.world.forget(sandbox.world.imports()[0].id)
    sandbox.faults.use("vanishes,times=1")
    assert [*listed[:6], *listed[7:]] == read()


def test_records_vanish_after_the_list(sandbox: Sandbox, caller: Caller) -> None:
    """An import can be listed and be gone when its records are asked for."""
    first = sandbox.world.imports()[0].id
    sandbox.faults.add(faulty.meanwhile(lambda world: world.forget(first)), path=rules.IMPORTS, times=1)
    href = caller.get(LIST).json()["_embedded"]["imports"][0]["_links"]["records"]["href"]

    assert 404 == caller.get(href).status_code


def test_any_body_can_be_given(sandbox: Sandbox, caller: Caller) -> None:
    """A test may say every byte, or change what is right."""
    sandbox.faults.add(faulty.answer(b'[{"key": "k"}]'), path=rules.FIELDS)
    sandbox.faults.add(faulty.edit_json(lambda body: body.update(total="twelve")), path=rules.IMPORTS)

    assert [{"key": "k"}] == caller.get(FIELDS).json()
    assert "twelve" == caller.get(LIST).json()["total"]


@pytest.mark.parametrize(
    ("pattern", "path", "hit"),
    [
        (rules.IMPORTS, LIST, True),
        (rules.IMPORTS, f"{LIST}?page=2", True),
        (rules.IMPORTS, f"{LIST}/a", False),
        (rules.IMPORT, f"{LIST}/a", True),
        (rules.IMPORT, f"{LIST}/a/records", False),
        (rules.RECORDS, f"{LIST}/a/records?page=2", True),
        (rules.RECORDS, f"{LIST}/a", False),
        (rules.FIELDS, FIELDS, True),
        (rules.API, FIELDS, True),
    ],
)
def test_patterns(sandbox: Sandbox, caller: Caller, pattern: str, path: str, hit: bool) -> None:  # noqa: FBT001
    """A pattern strikes its resource and no other."""
    rule = sandbox.faults.add(faulty.empty(503), path=pattern)

    assert hit == (503 == caller.get(path).status_code)
    assert int(hit) == rule.struck


def test_faults_leave_the_token_alone_unless_told(sandbox: Sandbox, caller: Caller) -> None:
    """By default only the API is struck."""
    rule = sandbox.faults.use("503")
    assert 200 == caller.token(FORM).status_code

    sandbox.faults.remove(rule)
    sandbox.faults.use(f"503,path={rules.TOKEN}")
    assert 503 == caller.token(FORM).status_code
    assert 200 == caller.get(LIST).status_code


def test_which_requests_are_struck(sandbox: Sandbox, caller: Caller) -> None:
    """Not the first two, then every second, twice."""
    rule = sandbox.faults.use("503,after=2,every=2,times=2")

    assert [200, 200, 200, 503, 200, 503, 200, 200] == [caller.get(LIST).status_code for _ in range(8)]
    assert 2 == rule.struck


def test_faults_go_around_each_other(sandbox: Sandbox, caller: Caller) -> None:
    """The one added last is the outermost."""
    sandbox.faults.use("wrong-total=1")
    sandbox.faults.use("bom")

    assert 13 == json.loads(caller.get(LIST).content.decode("utf-8-sig"))["total"]


def test_faults_are_switched_off(sandbox: Sandbox, caller: Caller) -> None:
    """One by one, or all."""
    slow, _other = sandbox.faults.use("503"), sandbox.faults.use("500")
    sandbox.faults.remove(slow)
    assert 500 == caller.get(LIST).status_code

    sandbox.faults.clear()
    assert 200 == caller.get(LIST).status_code


def test_faults_from_the_start() -> None:
    """A sandbox can be started with its faults on."""
    with running(imports=1, faults=["503,path=/cm/", "bom,path=/bulk"]) as sandbox:
        caller = Caller(sandbox)

        assert 503 == caller.get(FIELDS).status_code
        assert b"\xef\xbb\xbf" == caller.get(LIST).content[:3]
