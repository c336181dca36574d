"""What the values of settings have to look like; a ValueError says what is wrong, never the value of a secret."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from etl.errors import UsageError
from etl.instants import parse_duration

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = r"(?:\[[0-9A-Fa-f:.%]*\]|(?:%[0-9A-Fa-f]{2}|[^@:/?,%\s])*)(?::[0-9]*)?"
_PARAMETER = r"(?:(?:user|password)=[^&\s]*|[^@&\s]*)"
_POSTGRES = re.compile(
    rf"(?:(?:%[0-9A-Fa-f]{{2}}|[^@:/?%\s])*(?::(?:%[0-9A-Fa-f]{{2}}|[^@/%\s])*)?@)?"  # user, password
    rf"{_HOST}(?:,{_HOST})*"
    r"(?:/(?:%[0-9A-Fa-f]{2}|[^@/?%\s])*)?"  # database
    rf"(?:\?{_PARAMETER}(?:&{_PARAMETER})*)?"
)
_MAX_FILE_BYTES = 64 * 1024


def required_address(url: str) -> str:
    """Return the address; plain http only on this machine. What is said of it holds no part of it."""
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("should be an ASCII address without spaces")
    # Of a password that is not percent-encoded a part would be taken for host, port or path, and shown.
    if set("@?#\\") & set(url):
        raise ValueError("should be an address without user, query and fragment")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("should be https://host:port/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be an https address")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("should be https: only a loopback host may be asked without encryption")
    return url


def postgres_url(secret: SecretStr) -> SecretStr:
    """Return the address of a database as libpq spells it, if it can be read in one way only.

    Of an address whose user or password holds a character that had to be percent-encoded, libpq takes a part for host,
    port or name of the database, and quotes it in its complaints.
    """
    if not secret.get_secret_value():
        raise ValueError("is empty: give the warehouse's address, or unset it for the embedded database")
    scheme, separator, rest = secret.get_secret_value().partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ValueError("should begin with postgresql://")
    parts = _POSTGRES.fullmatch(rest)
    if parts is None:
        raise ValueError(
            "should be postgresql://user:password@host:port/database; "
            "in user, password and database the characters @ : / ? % must be percent-encoded (@ is %40)"
        )
    return SecretStr(f"postgresql://{rest}")


def is_local(url: str) -> bool:
    """Tell whether the address leads to this machine, as a sandbox's does."""
    try:
        return _is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def label(text: str) -> str:
    """Return the name of an account in lower case, if it can be one."""
    if not _LABEL.fullmatch(text.lower()):
        raise ValueError("should be one DNS label: letters, digits and hyphens, 63 at most")
    return text.lower()


def _visible(text: str) -> str:
    if not (text.isascii() and text.isprintable() and text.strip()):
        raise ValueError("should be printable ASCII")
    return text.strip()


def visible_secret(secret: SecretStr) -> SecretStr:
    """Return the secret as it is, if a header can carry it."""
    _visible(secret.get_secret_value())
    return secret


def _content(path: object) -> object:
    """Return the text of the file that a setting names; the name stays out of messages, it may be the secret itself."""
    if not isinstance(path, str | Path):
        return path
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_FILE_BYTES).strip("\r\n")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "no such home folder"
        raise ValueError(f"the file cannot be read: {reason}") from None
    except ValueError:
        raise ValueError("the file is no text") from None
    if not text:
        raise ValueError("the file is empty")
    return text


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def comma_list(value: object) -> object:
    """Return the parts of a text between its commas; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parts(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError(f"should name {', '.join(PARTS)} or both")
    if unknown := [word for word in words if word.lower() not in PARTS]:
        raise ValueError(f"should name {', '.join(PARTS)} or both, not {', '.join(unknown)}")
    return tuple(part for part in PARTS if part in {word.lower() for word in words})


def one_of(given: SecretStr | None, stored: SecretStr | None, file: str) -> SecretStr | None:
    """Return a secret that is given as it is or in a file, not both."""
    if given is not None and stored is not None:
        raise ValueError(f"set beside {file}: one of the two is enough")
    return stored if given is None else given


def in_any_case(word: object) -> object:
    """Return a word as the settings spell it; anything else as it is."""
    return word.strip().lower() if isinstance(word, str) else word


def _duration(text: object) -> object:
    try:
        return parse_duration(text) if isinstance(text, str) else text
    except UsageError as error:
        raise ValueError(f"should be a duration: {error}") from None


def parts_of(resources: tuple[str, ...], users: str) -> tuple[str, ...]:
    """Return what is read of an account: what it has, and its users where they are asked for."""
    return resources if users == "off" else (*resources, "users")


PARTS = ("imports", "case-fields")
"""What an account may have, in the order in which it is read; its users come last."""

Parts = Annotated[tuple[str, ...], BeforeValidator(comma_list), AfterValidator(_parts)]
Users = Annotated[Literal["off", "names", "keep"], BeforeValidator(in_any_case)]
Label = Annotated[str, AfterValidator(label)]
Visible = Annotated[str, AfterValidator(_visible)]
Secret = Annotated[SecretStr, AfterValidator(visible_secret)]
FileContent = Annotated[SecretStr | None, BeforeValidator(_content), Field(exclude=True, repr=False)]
Count = Annotated[int, BeforeValidator(_no_boolean)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
