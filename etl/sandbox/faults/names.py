"""The names by which faults are switched on in words: `503=empty,times=3,path=/records`."""

import re
from collections.abc import Callable
from typing import NamedTuple

from etl.errors import UsageError
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import stream
from etl.sandbox.faults.rules import API, ERRORS, IMPORTS, TOKEN, When
from etl.sandbox.faults.stream import Fault

FORM = "NAME[=VALUE][,times=N][,after=N][,every=N][,path=REGEX]"
PAGE_HELPERS = ("count", "total", "page", "per_page")


class Named(NamedTuple):
    """What stands behind a name: its meaning, how it is made, the value and the path when none is given."""

    words: str
    make: Callable[[str], Fault]
    value: str = ""
    path: str = API


def _plain(words: str, fault: Fault, *, path: str = API) -> Named:
    return Named(words, lambda _value: fault, path=path)


def _gateway_error(status: int) -> Named:
    kinds = {"html": faulty.error_page(status), "empty": faulty.empty(status)}
    return Named(f"{status} of a gateway, =html or =empty", lambda value: kinds[value], "html")


def _refusal(status: int) -> Named:
    return _plain(f"{status} with the documented body", faulty.refuse(status))


NAMED: dict[str, Named] = {
    **{str(status): _refusal(status) for status in (400, 401, 403, 404, 406)},
    **{str(status): _gateway_error(status) for status in (500, 502, 503, 504)},
    "429": Named("429, to be tried again in =SECONDS", lambda value: faulty.throttle(value or None)),
    "429-date": Named("the same as a date", lambda value: faulty.throttle_until(float(value)), "2"),
    "slow": Named("comes =SECONDS late", lambda value: stream.slow(float(value)), "2"),
    "drip": Named("comes in drops =SECONDS apart", lambda value: stream.drip(float(value)), "1"),
    "hang": _plain("never comes", stream.hang()),
    "reset": _plain("the connection is reset", stream.reset()),
    "cut": _plain("the connection ends in mid-body", stream.cut()),
    "cut-stream": _plain("the same in a body sent in chunks", stream.cut_stream()),
    "login-page": _plain("200 with an HTML page", faulty.answer(faulty.LOGIN_PAGE, media_type="text/html")),
    "broken-json": _plain("200 with half of a JSON text", faulty.answer(faulty.BROKEN_JSON)),
    "nested": _plain("200 with 200,000 nested brackets", faulty.answer(faulty.NESTED_JSON)),
    "nan": _plain("200 with NaN and Infinity", faulty.answer(faulty.NOT_A_NUMBER)),
    "null": _plain("200 with null", faulty.answer(b"null")),
    "bom": _plain("the body begins with a byte-order mark", faulty.byte_order_mark()),
    "invalid-utf8": _plain("the body holds bytes that are not UTF-8", faulty.not_utf8()),
    "number": Named("totals and lines are =DIGITS", lambda value: faulty.numbers(value.encode()), "1e400"),
    "wrong-total": Named("total is off by =N", lambda value: faulty.wrong_total(int(value)), "1"),
    "no-total": _plain("count, total, page, per_page are missing", faulty.without(*PAGE_HELPERS)),
    "next-self": _plain("every page names itself as the next", faulty.next_is_self()),
    "next-ring": _plain("after the last page comes the first", faulty.next_is_ring()),
    "next-templated": _plain("the next link is a template", faulty.next_is_templated()),
    "links-to": Named("links lead to =ORIGIN", faulty.links_to, "http://api-docs.talkdesk.org"),
    "links-relative": _plain("links are relative", faulty.links_to("")),
    "redirect": Named("redirects to =ORIGIN", faulty.redirect, "http://localhost:9"),
    "redirect-here": _plain("redirects to another address of the same origin", faulty.redirect_here()),
    "token-dies": _plain("every token is dead when the request arrives", faulty.kill_tokens()),
    "token-403": _plain("a dead token is answered with 403", faulty.dead_token_is_403()),
    "scope": Named("tokens allow =SCOPE only", faulty.grant_only, "bulk-imports:read", TOKEN),
    "new-scope": Named("no token with =SCOPE yet", faulty.refuse_scope, "case-fields-public:read", TOKEN),
    "errors-file": Named("the error file in =DIALECT", faulty.errors_file, "semicolon", ERRORS),
    "appears": _plain("a new import appears after the answer", faulty.import_appears(), path=IMPORTS),
    "vanishes": _plain("the newest import vanishes after it", faulty.newest_import_vanishes(), path=IMPORTS),
}


def parsed(text: str) -> tuple[Fault, When]:
    """The fault that the words name, and which requests it strikes."""
    head, _, path = text.partition(",path=")
    first, *counts = head.split(",")
    name, _, value = first.partition("=")
    if name not in NAMED:
        raise UsageError(f"no fault is called {name!r}; there are: {', '.join(NAMED)}")
    known = NAMED[name]
    try:
        return known.make(value or known.value), _when(counts, re.compile(path or known.path).pattern)
    except (ValueError, KeyError, re.error) as problem:
        raise UsageError(f"the fault {text!r} is not {FORM}") from problem


def _when(counts: list[str], path: str) -> When:
    numbers = {name: int(digits) for name, _, digits in (count.partition("=") for count in counts)}
    times, after, every = (numbers.pop(name, None) for name in ("times", "after", "every"))
    if numbers or (times or 0) < 0 or (after or 0) < 0 or (every is not None and every < 1):
        raise ValueError(counts)
    return When(path=path, times=times, after=after or 0, every=every or 1)
