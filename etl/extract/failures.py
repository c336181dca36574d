"""What went wrong on the wire, in words of the operating system or of ours; what the peer said stays out."""

import re
import ssl
from collections.abc import Iterator
from http.client import HTTPException, LineTooLong

from requests.exceptions import InvalidProxyURL, InvalidSchema, ProxyError, RequestException
from urllib3.exceptions import HTTPError

from etl.errors import EtlError, SourceMalformed, SourceRefused, SourceUnavailable, UsageError
from etl.extract.framing import FramingError
from etl.extract.retrying import Transient
from etl.extract.routes import PROXY

_REASONS = {
    "BadStatusLine": "it does not speak HTTP",
    "IncompleteRead": "the answer was cut short",
    "GeneralProxyError": "the SOCKS proxy does not answer as one",
    "OSError": "refused",
    "RemoteDisconnected": "the connection was closed without an answer",
    "SOCKS5Error": "the SOCKS proxy refuses the connection",
    "TimeoutError": "timed out",
    "error": "the body cannot be decompressed",
}
_TUNNEL = re.compile(r"Tunnel connection failed: (4[0-9]{2})\b")
_PASSING = frozenset({"408", "425", "429"})


def failure(error: Exception, what: str) -> Transient | EtlError:
    """Return the error to raise for any exception of an exchange; Transient where it may pass by itself."""
    causes = list(_causes(error))
    return _local(causes, what) or _lasting(causes, what) or _passing(causes, what)


def _local(causes: list[BaseException], what: str) -> EtlError | None:
    """Return a mistake in what this machine was told, which only its owner can mend."""
    if any(isinstance(cause, InvalidProxyURL | InvalidSchema) for cause in causes):
        return UsageError(f"{what}: {PROXY} names a proxy that cannot be used")
    status = next((found[1] for found in map(_TUNNEL.match, map(str, causes)) if found), None)
    if status == "407" or any(type(cause).__name__ == "SOCKS5AuthError" for cause in causes):
        return UsageError(f"{what}: the proxy of {PROXY} wants another login: SCHEME://USER:PASSWORD@HOST:PORT")
    if status is not None and status not in _PASSING:
        return SourceRefused(f"{what}: the proxy of {PROXY} refuses the connection ({status})")
    if isinstance(causes[-1], ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({causes[-1].verify_message})"
        return SourceRefused(f"{what}: {reason}; REQUESTS_CA_BUNDLE may name another bundle")
    return None


def _lasting(causes: list[BaseException], what: str) -> EtlError | None:
    """Return an answer that will be the same when it is asked for again."""
    cause = causes[-1]
    if type(cause) is HTTPException or isinstance(cause, LineTooLong):
        return SourceMalformed(f"{what}: its headers are more than 100, or longer than 65536 bytes")
    if isinstance(cause, MemoryError):
        return SourceMalformed(f"{what}: the answer does not fit into memory")
    return None


def _passing(causes: list[BaseException], what: str) -> Transient:
    cause = causes[-1]
    if isinstance(cause, FramingError):
        return Transient(SourceMalformed(f"{what}: the answer cannot be read: {cause}"))
    if not isinstance(causes[0], RequestException | HTTPError | OSError):
        return Transient(SourceMalformed(f"{what}: the answer cannot be read ({type(causes[0]).__name__})"))
    reason = next(filter(None, map(_reason, reversed(causes))), type(causes[0]).__name__)
    who = f"the proxy of {PROXY}: " if isinstance(causes[0], ProxyError) else ""
    return Transient(SourceUnavailable(f"{what}: {who}{reason}"))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str | None:
    return (isinstance(error, OSError) and error.strerror) or _REASONS.get(type(error).__name__)
