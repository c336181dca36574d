"""The source's API over HTTP: an address in, the JSON of its body out; the token goes to one origin alone."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests import PreparedRequest

from etl import jsontext
from etl.config import AccountSettings
from etl.errors import EtlError, NotFound, NotJson, SourceMalformed, SourceRefused, SourceUnavailable
from etl.extract import hal, links
from etl.extract.auth import TokenProvider
from etl.extract.circuit import CircuitBreaker
from etl.extract.endpoints import ENDPOINTS, Endpoint
from etl.extract.retrying import Patience, Requests, Transient
from etl.extract.transport import Answer, Transport, place

__all__ = ["Client", "Requests"]

MAX_REDIRECTS = 5
MAX_RENEWALS = 3
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class _Prepared(threading.local):
    """A request for each thread, prepared once: to prepare it anew costs as much as to send it."""

    def __init__(self, request: PreparedRequest) -> None:
        self.request = request.copy()


class Target(NamedTuple):
    """What is asked for: an address, of which endpoint, and whether that one is well."""

    url: str
    endpoint: Endpoint
    circuit: CircuitBreaker

    def __str__(self) -> str:
        return place("GET", self.url)


class Client:
    """One account's side of the API; any number of threads may use it."""

    def __init__(
        self,
        settings: AccountSettings,
        *,
        stop: threading.Event,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.api_url = settings.api_url
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.api_url))
        self._patience = Patience(settings, stop=stop, sleep=sleep or stop.wait, clock=clock)
        self._transport = Transport(settings, self._patience)
        self.tokens = TokenProvider(settings, self._transport, self._patience)
        self._circuits = {endpoint: self._patience.circuit() for endpoint in ENDPOINTS}
        self._was_let_in = False
        self._prepared = _Prepared(self._transport.prepare(requests.Request("GET", settings.api_url)))

    def get(self, url: str, endpoint: Endpoint) -> bytes:
        """Fetch the JSON text that is the body of an answer; a 204 says null. `url` is made by `rooted`.

        What is no JSON is asked for again.
        """
        target = Target(url, endpoint, self._circuits[endpoint])
        return self._patience.retry(
            lambda seconds: self._body(target, seconds), target.circuit, prepare=self._make_ready
        )

    def get_file(self, url: str, endpoint: Endpoint) -> bytes:
        """Fetch the body of an answer, whatever it holds; a 204 is empty. `url` is made by `rooted`."""
        target = Target(url, endpoint, self._circuits[endpoint])
        return self._patience.retry(
            lambda seconds: self._fetch(target, seconds).body, target.circuit, prepare=self._make_ready
        )

    def rooted(self, href: str, current_url: str = "") -> str:
        """Return the absolute address of a link found in `current_url`, on the configured origin whatever it says."""
        return links.rooted(href, current=current_url or f"{self.api_url}/", base=self.api_url)

    @property
    def counts(self) -> Requests:
        """What was done so far; requests for tokens are not among the requests."""
        return self._patience.tally.counts

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def _make_ready(self) -> None:
        """Keep the next request under the rate limit, and find it a token."""
        self._patience.pace()
        self.tokens.token()

    def _body(self, target: Target, seconds: float) -> bytes:
        answer = self._fetch(target, seconds)
        if answer.status == HTTPStatus.NO_CONTENT:
            return b"null"
        try:
            jsontext.require_json(answer.body)
        except NotJson as error:
            message = f"{target}: {answer.described()}, but {error} in a body of {answer.content_type}"
            raise Transient(SourceMalformed(message)) from None
        except SourceMalformed as error:
            raise SourceMalformed(f"{target}: {error}") from None
        return answer.body

    def _fetch(self, target: Target, seconds: float) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(target, seconds)
            if answer.is_success:
                self._was_let_in = True
                return answer
            if not answer.is_redirect:
                raise self._failure(target, answer)
            target = target._replace(url=self._redirected(target.url, answer))
            self._patience.pace()
        raise SourceRefused(f"{target}: more than {MAX_REDIRECTS} redirects")

    def _ask(self, target: Target, seconds: float) -> Answer:
        """Ask with the token; a refused one is renewed, more than once only where tokens were taken before."""
        token = self.tokens.token()
        answer = self._send(target, token, seconds)
        for _ in range(MAX_RENEWALS if self._was_let_in else 1):
            if not self._may_be_due_to(token, answer):
                break
            renewed = self.tokens.renew(token, target.circuit.may_renew)
            if renewed is None:
                break
            token = renewed
            self._patience.pace()
            answer = self._send(target, token, seconds)
        return answer

    def _may_be_due_to(self, token: str, answer: Answer) -> bool:
        """Tell whether a token is dead: a 401 says so, some older endpoints say 403 (github.com/Talkdesk/api, 2016)."""
        is_forbidden = answer.status == HTTPStatus.FORBIDDEN and self.tokens.is_old(token)
        return answer.status == HTTPStatus.UNAUTHORIZED or is_forbidden

    def _send(self, target: Target, token: str, seconds: float) -> Answer:
        request = self._prepared.request
        request.url = target.url
        request.headers["Accept"] = target.endpoint.accept
        request.headers["Authorization"] = f"Bearer {token}"
        begun, size = self._patience.clock(), 0
        try:
            answer = self._transport.send(request, seconds=seconds)
            size = len(answer.body)
            return answer
        finally:
            spent = self._patience.clock() - begun
            self._patience.tally.add(Requests(requests=1, bytes=size, seconds=spent))

    def _redirected(self, url: str, answer: Answer) -> str:
        """Return where a redirect leads, if it stays on the configured origin."""
        location = answer.headers.get("Location", "").strip()
        try:
            is_ours = _origin(urljoin(url, location)) == _origin(self.api_url)
        except ValueError:
            is_ours = False
        if not is_ours:
            what = f"{place('GET', url)}: {answer.described()}"
            raise SourceRefused(f"{what}: it leads away from the API, and the token does not follow")
        return links.rooted(location, current=url, base=self._origin)

    def _failure(self, target: Target, answer: Answer) -> Transient | EtlError:
        what = f"{target}: {answer.described(hal.error_code(answer.body))}"
        if answer.is_transient:
            return self._overloaded(what, answer)
        if answer.status in _GONE:
            return NotFound(what)
        if answer.status == HTTPStatus.FORBIDDEN:
            scope = target.endpoint.scope
            return SourceRefused(
                f"{what}: the client lacks the scope {scope}, or the account does not allow this machine's address"
            )
        if answer.status == HTTPStatus.UNAUTHORIZED:
            refused = SourceRefused(f"{what}: a new token was refused, too; check TALKDESK_API_URL and TALKDESK_REGION")
            # Where tokens were taken before, another thread's trouble may have killed this one.
            return Transient(refused) if self._was_let_in else refused
        return SourceRefused(what)

    def _overloaded(self, what: str, answer: Answer) -> Transient:
        seconds = answer.retry_after
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._patience.hold(seconds)
        return Transient(SourceUnavailable(what), retry_after=seconds)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
