"""What can go wrong with an answer: each function makes a fault, to be put around the answering of a request.

Late, partial and missing answers are in `wire`; which requests a fault strikes is told to `Faults`.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response

from etl.sandbox.answers import Refusal, TokenRefusal, json_answer, target
from etl.sandbox.faults.stream import Fault, Proceed
from etl.sandbox.world.items import Item
from etl.sandbox.world.world import World

ERROR_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr></body></html>"
LOGIN_PAGE = b'<!DOCTYPE html><html><title>Log in</title><form method="post"><input name="email"></form></html>'
BROKEN_JSON = b'{"count":2,"total":2,"_embedded":{"imports":[{"id":"5f0c'
NESTED_JSON = b"[" * 200_000 + b"]" * 200_000
NOT_A_NUMBER = b'{"count":NaN,"total":Infinity,"_embedded":{"imports":[]},"_links":{}}'
HUGE_INTEGER = b"170141183460469231731687303715884105728"
COUNTERS = re.compile(rb'("(?:total_records|line)":)(\d+)')


# Another answer instead of the right one


def answer(body: bytes, *, status: int = 200, media_type: str = "application/json") -> Fault:
    """Exactly this body."""

    async def fault(_request: Request, _proceed: Proceed) -> Response:
        return Response(body, status_code=status, media_type=media_type)

    return fault


def error_page(status: int) -> Fault:
    """The HTML with which a gateway fails."""
    return answer(ERROR_PAGE.format(status).encode(), status=status, media_type="text/html")


def empty(status: int) -> Fault:
    """A status and nothing else."""
    return answer(b"", status=status)


def refuse(status: int) -> Fault:
    """One of the documented refusals: 400, 401, 403, 404 or 406."""

    async def fault(_request: Request, _proceed: Proceed) -> Response:
        return Refusal(status).answer()

    return fault


def throttle(retry_after: str | None = None) -> Fault:
    """429, with that header or without."""

    async def fault(_request: Request, _proceed: Proceed) -> Response:
        return Response(status_code=429, headers={} if retry_after is None else {"Retry-After": retry_after})

    return fault


def throttle_until(seconds: float) -> Fault:
    """429, to be tried again at the instant that lies so many seconds ahead."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        instant = datetime.now(UTC) + timedelta(seconds=seconds)
        return await throttle(format_datetime(instant, usegmt=True))(request, proceed)

    return fault


def redirect(origin: str) -> Fault:
    """The same path and query, but at another origin."""

    async def fault(request: Request, _proceed: Proceed) -> Response:
        return Response(status_code=302, headers={"Location": origin + target(request)})

    return fault


def redirect_here() -> Fault:
    """The answer has moved to another address of this origin, where it is to be had."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        if "moved" in request.query_params:
            return await proceed()
        here = target(request)
        mark = "&" if "?" in here else "?"
        return Response(status_code=302, headers={"Location": f"{here}{mark}moved=1"})

    return fault


# The right answer, changed


def edit(change: Callable[[bytes], bytes]) -> Fault:
    """The body of the right answer, changed byte by byte."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        return _edited(await proceed(), change)

    return fault


def edit_json(change: Callable[[Any], object]) -> Fault:
    """The parsed body of the right answer, changed in place."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        response = await proceed()
        if response.status_code != HTTPStatus.OK:
            return response
        body = json.loads(bytes(response.body))
        change(body)
        return json_answer(body)

    return fault


def edit_listing(change: Callable[[Item], object]) -> Fault:
    """The same, for the pages of a listing only."""
    return edit_json(lambda body: change(body) if "_embedded" in body else None)


def byte_order_mark() -> Fault:
    """The body begins with a byte-order mark."""
    return edit(lambda body: b"\xef\xbb\xbf" + body)


def not_utf8() -> Fault:
    """The first text in the body holds bytes that are not UTF-8."""
    return edit(lambda body: body.replace(b'":"', b'":"\xff\xc3\x28', 1))


def numbers(digits: bytes) -> Fault:
    """Every import's total and every record's line is this number."""
    return edit(lambda body: COUNTERS.sub(rb"\g<1>" + digits, body))


def errors_file(dialect: str) -> Fault:
    """The error file in another dialect: semicolon, tab, latin-1, mark or lines (breaks of one character)."""
    change = ERRORS_FILES[dialect]
    return edit(lambda body: change(body.decode()))


def _separated(separator: str) -> Callable[[str], bytes]:
    def change(text: str) -> bytes:
        out = io.StringIO()
        csv.writer(out, delimiter=separator).writerows(csv.reader(io.StringIO(text, newline="")))
        return out.getvalue().encode()

    return change


ERRORS_FILES: dict[str, Callable[[str], bytes]] = {
    "semicolon": _separated(";"),
    "tab": _separated("\t"),
    "latin-1": lambda text: text.encode("latin-1", "replace"),
    "mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "lines": lambda text: text.replace("\r\n", "\n").encode(),
}


def wrong_total(by: int) -> Fault:
    """The listing says that it is longer than it is, or shorter."""
    return edit_listing(lambda body: body.update(total=body["total"] + by))


def without(*keys: str) -> Fault:
    """The page of a listing lacks these keys."""
    return edit_listing(lambda body: [body.pop(key, None) for key in keys])


# Links


def next_link(choose: Callable[[Item], Item]) -> Fault:
    """The next link is what is chosen from the links of the page, on its last page too."""
    return edit_listing(lambda body: body["_links"].update(next=choose(body["_links"])))


def next_is_self() -> Fault:
    """Every page names itself as the next."""
    return next_link(lambda links: links["self"])


def next_is_ring() -> Fault:
    """After the last page comes the first."""
    return next_link(lambda links: links["next"] if "next" in links else links["first"])


def next_is_templated() -> Fault:
    """The next link is a template."""
    return next_link(lambda links: {"href": links["self"]["href"] + "{&cursor}", "templated": True})


def links_to(origin: str) -> Fault:
    """Every link leads to this origin; an empty one makes them relative."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        here = f"{request.url.scheme}://{request.url.netloc}"
        return _edited(await proceed(), lambda body: body.replace(here.encode(), origin.encode()))

    return fault


# Tokens and the world


def kill_tokens() -> Fault:
    """Every token is dead when the request arrives."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        request.app.state.tokens.revoke_all()
        return await proceed()

    return fault


def dead_token_is_403() -> Fault:
    """A dead token is answered with 403, as the vendor's oldest guide has it."""

    async def fault(_request: Request, proceed: Proceed) -> Response:
        response = await proceed()
        return Refusal(403).answer() if response.status_code == HTTPStatus.UNAUTHORIZED else response

    return fault


def grant_only(scope: str) -> Fault:
    """A token allows this scope, whatever was asked for."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        response = await proceed()
        if response.status_code != HTTPStatus.OK:
            return response
        body = json.loads(bytes(response.body))
        request.app.state.tokens.restrict(body["access_token"], scope)
        return json_answer(body | {"scope": scope})

    return fault


def refuse_scope(scope: str) -> Fault:
    """A scope granted minutes ago does not act yet: whoever asks for it gets no token."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        asked = parse_qs((await request.body()).decode()).get("scope", [scope])
        if scope in asked[0].split():
            return TokenRefusal(401, "invalid_scope", "the client does not hold a scope that it asks for").answer()
        return await proceed()

    return fault


def meanwhile(action: Callable[[World], object]) -> Fault:
    """The right answer is given, and then the world moves: what was read is no longer so."""

    async def fault(request: Request, proceed: Proceed) -> Response:
        response = await proceed()
        action(request.app.state.world)
        return response

    return fault


def import_appears() -> Fault:
    """After the answer there is one more import, which shifts the pages."""
    return meanwhile(lambda world: world.add_import())


def newest_import_vanishes() -> Fault:
    """After the answer the newest import is gone, which shifts the pages the other way."""
    return meanwhile(lambda world: world.forget(world.imports()[0].id))


def _edited(response: Response, change: Callable[[bytes], bytes]) -> Response:
    media_type = response.headers.get("Content-Type")
    return Response(change(bytes(response.body)), status_code=response.status_code, media_type=media_type)
