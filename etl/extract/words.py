"""What of the peer's words may be shown: a closed list of each kind, whatever it says (pure).

A server may repeat a secret or a record's cell in a path, a header, a code or a key; what is on no list is not shown.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_SEGMENTS = frozenset({"", "bulk-imports", "users", "records", "cm", "meta", "va", "fields", "oauth", "token"})
_MEDIA_TYPES = frozenset(
    {
        "application/hal+json",
        "application/json",
        "application/octet-stream",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/xhtml+xml",
        "application/xml",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
# Of RFC 6749 and RFC 6750, and those that the sandbox answers with; what the API sends is documented nowhere.
_CODES = frozenset(
    {
        "access_denied",
        "forbidden",
        "insufficient_scope",
        "invalid_client",
        "invalid_grant",
        "invalid_parameter",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "not_acceptable",
        "not_found",
        "server_error",
        "temporarily_unavailable",
        "unauthorized",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
_KEYS = frozenset(
    {
        "_embedded",
        "_links",
        "case_fields",
        "code",
        "count",
        "description",
        "error",
        "error_description",
        "fields",
        "imports",
        "items",
        "message",
        "page",
        "per_page",
        "records",
        "total",
        "total_pages",
        "users",
    }
)
# A status as the API writes it, with zeros before it: longer digits may be somebody's number.
_STATUS_CODE = re.compile(r"0{0,4}[1-5][0-9]{2}")
_TRACE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{16}", re.IGNORECASE)
_NO_LETTER_OR_DIGIT = re.compile(r"[^0-9a-z]")


def place(method: str, url: str) -> str:
    """Return what was asked for: the host, which is always a configured one, and the path's known words, no query."""
    parts = urlsplit(url)
    path = "/".join(segment if segment in _SEGMENTS else "…" for segment in parts.path[:1_000].split("/"))
    return f"{method} {parts.netloc.rpartition('@')[2]}{path[:200]}"


def media_type(header: str) -> str:
    """Return what a Content-Type claims, without parameters, if it is a well-known type; nothing else is shown."""
    claimed = header.split(";", maxsplit=1)[0].strip().lower()
    if not claimed:
        return "no content type"
    return claimed if claimed in _MEDIA_TYPES else "an unusual content type"


def trace_id(header: str, secrets: Iterable[str]) -> str:
    """Return the trace id if it is a UUID or as long in hexadecimal digits, and holds no secret; else nothing."""
    told = _bare(header)
    is_secret = any(bare in told or told in bare for bare in map(_bare, secrets) if bare)
    return header if _TRACE.fullmatch(header) and not is_secret else ""


def error_code(code: object) -> str:
    """Return the code if it is a known word, or a status with zeros before it; else nothing."""
    if not isinstance(code, str):
        return ""
    return code if code in _CODES or _STATUS_CODE.fullmatch(code) else ""


def keys(names: Iterable[str]) -> str:
    """Return the keys that the API is known to send; of all others how many there are."""
    found = set(names)
    others = len(found - _KEYS)
    return ", ".join([*sorted(found & _KEYS), *([f"{others} unknown"] if others else [])]) or "(none)"


def _bare(text: str) -> str:
    return _NO_LETTER_OR_DIGIT.sub("", text.lower())
