"""JSON text into values and back: every digit kept, no character in it that Postgres refuses (pure)."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from etl.errors import NotJson

REPLACEMENT = "\ufffd"

# Postgres numeric holds 131072 digits before the point and 16383 after it.
_MAX_DIGITS_BEFORE, _MAX_DIGITS_AFTER = 131_072, 16_383

# Python converts no longer integers from or to text (sys.set_int_max_str_digits).
_MAX_INT_DIGITS = 4_300

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u0000|u[dD][89a-fA-F]..|.)", re.DOTALL)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, every digit kept, no character in it that Postgres refuses.

    NUL characters and lone surrogates become U+FFFD, keys stay distinct.
    A number that Postgres could not hold is left as text.
    """
    if b"\\" not in body or rb"\u0000" not in body:
        try:
            return _decoder.decode(body)
        except (ValueError, RecursionError):
            pass  # a text that only the patient parser can read, or none at all
    return _parse_patiently(body)


def require_json(body: bytes) -> None:
    """Raise NotJson where `parse_json` would, at a tenth of its cost."""
    try:
        _skim.decode(body)
        if not body.isascii():
            body.decode()  # what is skimmed is not decoded
    except (ValueError, RecursionError):
        parse_json(body)


def _parse_patiently(body: bytes) -> Any:
    try:
        text = _ESCAPE.sub(_storable, body.decode("utf-8-sig"))
        return _patient_decoder.decode(text)
    except UnicodeDecodeError:
        raise NotJson("the text is not UTF-8") from None
    except RecursionError:
        raise NotJson("the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        # Not chained: the error holds the whole text.
        raise NotJson(f"no JSON ({error.msg} at character {error.pos})") from None


def _storable(escape: re.Match[str]) -> str:
    text = escape[0]
    is_lone_surrogate = len(text) == 6 and text[2] in "dD"  # noqa: PLR2004 - backslash, u, four digits
    return r"\ufffd" if text == r"\u0000" or is_lone_surrogate else text


def _number(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    exponent = number.as_tuple().exponent
    fits = number.adjusted() < _MAX_DIGITS_BEFORE and int(exponent) >= -_MAX_DIGITS_AFTER
    return number if fits else text


def _integer(text: str) -> int | Decimal | str:
    return int(text) if len(text) <= _MAX_INT_DIGITS else _number(text)


def _refuse(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"{word} is no number of JSON", "", 0)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as an object; keys that a replacement made equal are told apart by further ones."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = key
        while REPLACEMENT in name and name in found:
            name += REPLACEMENT
        found[name] = value
    return found


_decoder = msgspec.json.Decoder(float_hook=_number)
_skim = msgspec.json.Decoder(msgspec.Raw)

_patient_decoder = json.JSONDecoder(
    parse_float=_number, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_distinct
)


_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_bytes(value: object) -> bytes:
    """The value as JSON, numbers with every digit they came with."""
    try:
        return _encode(value)
    except RecursionError:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a MiB for what hardly ever happens

        # The recursion limit counts the caller's frames, too. A fresh thread has nearly none of them,
        # so what could be parsed can be written.
        with ThreadPoolExecutor(1) as fresh:
            return fresh.submit(_encode, value).result()


def json_text(value: object) -> str:
    """The same as text."""
    return json_bytes(value).decode()
