"""One requests session for all threads of an account: bounded in time and size, redirects never followed."""

import logging
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest, Session
from requests.exceptions import InvalidProxyURL, InvalidSchema, ProxyError, RequestException
from urllib3.exceptions import HTTPError

from etl import __version__
from etl.config import AccountSettings
from etl.errors import EtlError, SourceMalformed, SourceRefused, SourceUnavailable, UsageError
from etl.extract.deadline import SLICE_SECONDS, Watch, WatchedAdapter
from etl.extract.retrying import Patience, Transient

MAX_BODY_BYTES = 512 * 1024 * 1024
MAX_ERROR_BODY_BYTES = 64 * 1024
_SLICE_BYTES = 1024 * 1024

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"talkdesk-etl/{__version__}",
}
_TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_SEGMENT = re.compile(r"[\w.:~-]*", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_WORD = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_REASONS = {
    "BadStatusLine": "it does not speak HTTP",
    "IncompleteRead": "the answer was cut short",
    "OSError": "refused",
    "RemoteDisconnected": "the connection was closed without an answer",
    "TimeoutError": "timed out",
    "error": "the body cannot be decompressed",
}


class Route(NamedTuple):
    """How an address is reached, as the environment said when the session was made."""

    verify: bool | str
    proxies: dict[str, str]


class Answer(NamedTuple):
    """One HTTP answer; of what is no success, only the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """It holds what was asked for."""
        return _is_success(self.status)

    @property
    def is_redirect(self) -> bool:
        """It names another address."""
        return self.status in _REDIRECTS

    @property
    def is_transient(self) -> bool:
        """The same request may succeed later."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in _TRANSIENT

    @property
    def content_type(self) -> str:
        """What it claims to be, in lower case, without parameters; nothing if it claims anything else."""
        claimed = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
        return claimed if _MEDIA_TYPE.fullmatch(claimed) else ""

    @property
    def retry_after(self) -> float:
        """Seconds that the source asks to wait, 0 if it says nothing that can be understood."""
        text = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(text):
            return float(text)
        # Both dates are the source's, so its clock need not agree with ours.
        asked, now = _epoch(text), _epoch(self.headers.get("Date", "")) or time.time()
        return max(asked - now, 0) if asked else 0

    def described(self, code: object = None) -> str:
        """Status, code of the error and trace id: what the vendor's support asks for, and nobody's data."""
        trace = _word(self.headers.get("platform-tid"))
        return " ".join(filter(None, (str(self.status), _word(code), trace and f"platform-tid={trace}")))


class Transport:
    """Sends requests over pooled connections; the environment is looked at only when it is made."""

    def __init__(self, settings: AccountSettings, patience: Patience) -> None:
        # urllib3 logs whole links, and of broken headers what follows them.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._timeouts = (settings.timeout, min(SLICE_SECONDS, settings.timeout))
        self._watch = Watch(patience.stop, patience.clock, silence=settings.timeout)
        self._session = Session()
        self._adapter = WatchedAdapter(self._watch, size=settings.concurrency)
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)
        self._session.headers.clear()
        self._session.headers.update(_HEADERS)
        self._routes = {url: self._route(url) for url in (settings.api_url, settings.token_url)}
        self._session.trust_env = False

    def prepare(self, request: requests.Request) -> PreparedRequest:
        """The request as it goes out, with the headers that all have."""
        return self._session.prepare_request(request)

    def send(self, request: PreparedRequest, *, via: str, seconds: float) -> Answer:
        """The answer, whatever its status; `via` is the configured address whose route it takes.

        It is there in so many seconds, but for the time that connecting takes.
        Raises Transient where no whole answer came, and SourceMalformed where it would not end.
        """
        # Everything after the host; requests' own path_url takes the address apart first.
        target = f"/{(request.url or '').split('/', 3)[3]}"
        self._watch.begin(via, target, seconds)
        route = self._routes[via]
        try:
            # Past Session.send: cookies and redirects are handled there, and neither is wanted.
            response = self._adapter.send(
                request, stream=True, timeout=self._timeouts, verify=route.verify, proxies=route.proxies
            )
            return Answer(response.status_code, response.headers, _body(response))
        except (RequestException, HTTPError) as error:
            # Not chained: urllib3 writes whole links, query values included, into its messages.
            raise _failure(error, request) from None

    def close(self) -> None:
        """No connection is open."""
        self._session.close()

    def _route(self, url: str) -> Route:
        found = self._session.merge_environment_settings(url, {}, None, None, None)
        verify = True if found["verify"] is None else found["verify"]
        if isinstance(verify, str) and not Path(verify).exists():
            raise UsageError(f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {verify} does not exist")
        # Plain http is for loopback only, and what goes to a proxy in the clear is no longer on this machine.
        return Route(verify, dict(found["proxies"]) if url.startswith("https:") else {})


def place(method: str, url: str) -> str:
    """What was asked for, as far as a message may name it: no query, no path without an end, nobody's address."""
    parts = urlsplit(url)
    path = "/".join(segment if _SEGMENT.fullmatch(segment) else "…" for segment in parts.path[:1_000].split("/"))
    return f"{method} {parts.netloc}{path[:200]}"


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _word(text: object) -> str:
    """The text if it is a short word, as codes and trace ids are, else nothing."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else ""


def _body(response: requests.Response) -> bytes:
    """The decoded body, or the beginning of one that says why there is none."""
    raw, is_wanted = response.raw, _is_success(response.status_code)
    try:
        if is_wanted:
            return _read(raw, MAX_BODY_BYTES)
        beginning: bytes = raw.read(MAX_ERROR_BODY_BYTES, decode_content=True)
    except HTTPError:
        if is_wanted:
            raise
        return b""
    else:
        return beginning
    finally:
        raw.close()


def _read(raw: Any, limit: int) -> bytes:
    slices: list[bytes] = []
    left = limit
    while piece := raw.read(_SLICE_BYTES, decode_content=True):
        slices.append(piece)
        left -= len(piece)
        if left < 0:
            raise SourceMalformed(f"an answer is longer than {limit} bytes")
    return b"".join(slices)


def _failure(error: BaseException, request: PreparedRequest) -> Transient | EtlError:
    what = place(request.method or "", request.url or "")
    if isinstance(error, InvalidProxyURL | InvalidSchema):
        return UsageError(f"{what}: HTTPS_PROXY or ALL_PROXY names a proxy that cannot be used")
    causes = list(_causes(error))
    if isinstance(causes[-1], ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({causes[-1].verify_message})"
        return SourceRefused(f"{what}: {reason}; REQUESTS_CA_BUNDLE may name another bundle")
    reason = next(filter(None, map(_reason, reversed(causes))), type(error).__name__)
    who = "the proxy of HTTPS_PROXY or ALL_PROXY: " if isinstance(error, ProxyError) else ""
    return Transient(SourceUnavailable(f"{what}: {who}{reason}"))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    """Words of the operating system or of ours; what the peer said stays out."""
    return (isinstance(error, OSError) and error.strerror) or _REASONS.get(type(error).__name__)


def _epoch(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0
