"""JSON text into values and back: every digit kept, no character in it that Postgres refuses (pure)."""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from etl.errors import NotJson, SourceMalformed

REPLACEMENT = "\ufffd"

# Postgres numeric holds 131072 digits before the point and 16383 after it.
_MAX_DIGITS_BEFORE, _MAX_DIGITS_AFTER = 131_072, 16_383
_MAX_NUMBER_LENGTH = _MAX_DIGITS_BEFORE + _MAX_DIGITS_AFTER + 30  # with its sign, its point and its exponent

# Python converts no longer integers from or to text (sys.set_int_max_str_digits).
_MAX_INT_DIGITS = 4_300

# An even number of backslashes before it makes an escape one; pairs of surrogates are matched to be passed over.
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*+)\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|u0000|u[dD][89a-fA-F]..)", re.DOTALL)

MAX_VALUES = 4_000_000
"""So many objects, arrays, texts and fractions are read at once; as values they fill 100 to 500 MB."""
FREE_VALUES = 500_000
BYTES_PER_VALUE = 4
"""Beyond the free ones a value has to have so many bytes: the densest dictionaries have five, `[],[],[]` three."""

_EXPONENT = re.compile(rb"\d[eE]")


def parse_json(body: bytes) -> Any:
    """Parse a JSON text, every digit kept, no character in it that Postgres refuses.

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
    """Raise NotJson where `parse_json` would, at a tenth of its cost; SourceMalformed where memory is at risk."""
    if len(body) > 2 * FREE_VALUES:
        _require_proportion(body)
    try:
        _skim.decode(body)
        if not body.isascii():
            body.decode()  # what is skimmed is not decoded
    except (ValueError, RecursionError):
        parse_json(body)


def _require_proportion(body: bytes) -> None:
    """Raise if the values would fill far more memory than the text; what stands in a text counts, too."""
    values = body.count(b"[") + body.count(b"{") + body.count(b'"') // 2 + body.count(b".")
    if body.count(b"e") + body.count(b"E") > FREE_VALUES:
        values += sum(1 for _ in _EXPONENT.finditer(body))
    most = min(max(FREE_VALUES, len(body) // BYTES_PER_VALUE), MAX_VALUES)
    if values > most:
        found = f"{values} objects, arrays, texts and fractions in {len(body)} bytes of JSON"
        raise SourceMalformed(f"{found}; no more than {most} are read")


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
    is_pair = len(escape[2]) > len("u0000")
    return escape[0] if is_pair else rf"{escape[1]}\ufffd"


def _number(text: str) -> Decimal | str:
    if len(text) > _MAX_NUMBER_LENGTH:
        return text
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
    """Build an object of the pairs; keys that a replacement made equal are told apart by one more, then by number."""
    found: dict[str, Any] = {}
    twins: dict[str, int] = {}
    for key, value in pairs:
        name = key
        while REPLACEMENT in name and name in found:
            twins[key] = number = twins.get(key, 0) + 1
            name = f"{key}{REPLACEMENT}{number if number > 1 else ''}"
        found[name] = value
    return found


_decoder = msgspec.json.Decoder(float_hook=_number)
_skim = msgspec.json.Decoder(msgspec.Raw)

_patient_decoder = json.JSONDecoder(
    parse_float=_number, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_distinct
)


_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_bytes(value: object) -> bytes:
    """Return the value as JSON, numbers with every digit they came with."""
    try:
        return _encode(value)
    except RecursionError:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a MiB for what hardly ever happens

        # The recursion limit counts the caller's frames, too. A fresh thread has nearly none of them,
        # so what could be parsed can be written.
        with ThreadPoolExecutor(1) as fresh:
            return fresh.submit(_encode, value).result()


def json_text(value: object) -> str:
    """Return the same as text."""
    return json_bytes(value).decode()
