"""One requests session for all threads of an account: bounded in time and size, redirects never followed."""

import logging
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple

import requests
from requests import PreparedRequest, Response, Session
from urllib3.exceptions import HTTPError

from etl import __version__
from etl.config import AccountSettings
from etl.errors import EtlError, SourceMalformed
from etl.extract import words
from etl.extract.deadline import SLICE_SECONDS, DeadlineAdapter, Exchange
from etl.extract.failures import failure
from etl.extract.retrying import Patience
from etl.extract.routes import apply_environment
from etl.extract.words import place

__all__ = ["Answer", "Transport", "place"]

MAX_BODY_BYTES = 512 * 1024 * 1024
MAX_ERROR_BODY_BYTES = 64 * 1024
# Records that are nothing but names of empty columns compress 140 to 1, others 5 to 60; zlib ends at 1,030.
MAX_UNPACKED_RATIO = 200
ALWAYS_UNPACKED_BYTES = 16 * 1024 * 1024
_SLICE_BYTES = 1024 * 1024

_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"talkdesk-etl/{__version__}",
}
_TRANSIENT = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Nothing, and a part: neither is what was asked for.
_NO_ANSWERS = frozenset({HTTPStatus.RESET_CONTENT, HTTPStatus.PARTIAL_CONTENT})
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
# No run waits as long, and a number beyond it may be somebody's.
_LONGEST_WAIT = 86_400.0


class Answer(NamedTuple):
    """One HTTP answer; of what is no success, only the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()

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
        """What it claims to be, as far as it may be shown."""
        return words.media_type(self.headers.get("Content-Type", ""))

    @property
    def retry_after(self) -> float:
        """Seconds that the source asks to wait, a day at most, 0 if it says nothing that can be understood."""
        text = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(text):
            return min(float(text), _LONGEST_WAIT)
        # Both dates are the source's, so its clock need not agree with ours.
        asked, now = _epoch(text), _epoch(self.headers.get("Date", "")) or time.time()
        return min(max(asked - now, 0), _LONGEST_WAIT) if asked else 0

    def described(self, code: object = None) -> str:
        """Status, code of the error and trace id: what the vendor's support asks for, and nobody's data."""
        trace = words.trace_id(self.headers.get("platform-tid", "").strip(), self.secrets)
        shown = (str(self.status), words.error_code(code), trace and f"platform-tid={trace}")
        return " ".join(filter(None, shown))


class Transport:
    """Sends requests over pooled connections; the environment is looked at only when it is made."""

    def __init__(self, settings: AccountSettings, patience: Patience) -> None:
        # urllib3 logs whole links, and of broken headers what follows them.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        self._timeouts = (settings.timeout, min(SLICE_SECONDS, settings.timeout))
        self._exchange = Exchange(patience.stop, patience.clock, read_timeout=settings.timeout)
        self._secret = settings.client_secret.get_secret_value() if settings.client_secret else ""
        self._session = _Session()
        adapter = DeadlineAdapter(self._exchange, size=settings.concurrency)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.headers.clear()
        self._session.headers.update(_HEADERS)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        apply_environment(self._session, settings.api_url, settings.token_url)

    def prepare(self, request: requests.Request) -> PreparedRequest:
        """Return the request as it goes out, with the headers that all have."""
        return self._session.prepare_request(request)

    def send(self, request: PreparedRequest, *, seconds: float) -> Answer:
        """Send the request and return the answer, whatever its status, within so many seconds after connecting.

        Raises Transient where no whole answer came, and an error of its own where the next one would be no better.
        """
        url = request.url or ""
        self._exchange.begin(url, seconds)
        try:
            response = self._session.send(request, stream=True, timeout=self._timeouts, proxies=self._session.proxies)
            authorization = request.headers.get("Authorization", "")
            secrets = (self._secret, str(authorization).partition(" ")[2])
            return Answer(response.status_code, response.headers, _body(response), secrets)
        except SourceMalformed as error:
            raise SourceMalformed(f"{place(request.method or '', url)}: {error}") from None
        except EtlError:
            raise
        except Exception as error:  # noqa: BLE001 - the border: what libraries let out on odd bytes is on no list
            # Not chained: urllib3 writes whole links, query values included, into its messages.
            raise failure(error, place(request.method or "", url)) from None

    def close(self) -> None:
        """Close every connection."""
        self._session.close()


class _Session(Session):
    def get_redirect_target(self, resp: Response) -> None:
        """Follow no redirect here: the client looks where it leads."""


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and status not in _NO_ANSWERS


def _body(response: Response) -> bytes:
    """Return the decoded body, or the beginning of one that says why there is none."""
    raw, is_wanted = response.raw, _is_success(response.status_code)
    try:
        if is_wanted:
            return _read(raw)
        beginning: bytes = raw.read(MAX_ERROR_BODY_BYTES, decode_content=True)
    except HTTPError:
        if is_wanted:
            raise
        return b""
    else:
        return beginning
    finally:
        raw.close()


def _read(raw: Any) -> bytes:
    slices: list[bytes] = []
    size = 0
    while piece := raw.read(_SLICE_BYTES, decode_content=True):
        slices.append(piece)
        size += len(piece)
        _require_proportion(size, arrived=raw.tell())
    return b"".join(slices)


def _require_proportion(size: int, *, arrived: int) -> None:
    if size > MAX_BODY_BYTES:
        raise SourceMalformed(f"an answer is longer than {MAX_BODY_BYTES} bytes")
    if size > max(ALWAYS_UNPACKED_BYTES, MAX_UNPACKED_RATIO * arrived):
        bound = f"{MAX_UNPACKED_RATIO} times what arrived ({arrived} bytes)"
        raise SourceMalformed(f"an answer unpacks to more than {bound}")


def _epoch(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0
