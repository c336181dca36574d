r"""Whether a text quotes a cell, however it spells it: for errors, which repeat what they complain of; pure.

A cell `Anna Schmidt <a@b.example>` may come back as `ANNA&nbsp;SCHMIDT`, `Anna%20Schmidt`, `"Anna\u0020Schmidt"`
or `A@B.EXAMPLE`. So both are brought to one form before they are compared: escapes undone, case and accents level,
nothing left but letters and digits. What cannot be told counts as quoted.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import unquote

from etl.jsontext import REPLACEMENT
from etl.transform.columns import parse_text

MAX_ESCAPES = 4
"""So many times a text may have been escaped; one that is still not plain then is not understood."""
MAX_COMPARED = 1_000_000
"""So many characters, times cells, are looked through for one record: twenty cells and 50 kB of errors."""
SHORT = 4
"""Fewer letters or digits stand in many words by chance: a part of a cell that is so short has to be a word."""

_ESCAPED = re.compile(r"[&%\\]")
_ESCAPE = re.compile(r"(?:\\u\{?|\\x|%u|&#x)([0-9a-fA-F]{1,6})[;}]?|\\[nrtbfv]")
_WORD = re.compile(r"[^\W_]+")
_CODE = re.compile(r"[A-Za-z0-9][\w.:/-]{0,63}", re.ASCII)


def looks_like_a_code(text: str) -> bool:
    """Recognise a short identifier: `E-1003`, `email.taken`."""
    return _CODE.fullmatch(text) is not None


class Secrets:
    """The cells that no text may quote.

    `whole` are they in the one form, `words` the parts of which they are made.
    `is_vague`: there is one without a letter or digit, or with many values, so that it cannot be told from anything.
    """

    def __init__(self, cells: Iterable[Any]) -> None:
        self._whole: set[str] = set()
        self._words: set[str] = set()
        self._is_vague = False
        self._compared = 0
        for cell in cells:
            self._add(cell)
        self._long_whole = [part for part in self._whole if len(part) >= SHORT]

    def in_text(self, text: str) -> bool:
        """Tell whether the text quotes a cell or a part of one, or if that cannot be told."""
        form = _plain(text)
        return (
            self._is_vague
            or form.is_unclear
            or not form.words.isdisjoint(self._words)
            or self._any_in(form, self._parts)
        )

    def in_name(self, name: str) -> bool:
        """Tell whether a code, an id or a column's name quotes a cell, or a word of one as a word of its own."""
        form = _plain(name)
        return (
            form.is_unclear
            or (self._is_vague and not looks_like_a_code(name))
            or not all(map(form.words.isdisjoint, (self._words, self._whole)))
            or not all(map(form.glued.isdisjoint, (self._words, self._whole)))
            or self._any_in(form, self._long_whole)
        )

    @cached_property
    def _parts(self) -> list[str]:
        """What is looked for within words, too: all cells, and of their words the long ones."""
        return [*self._whole, *(word for word in self._words - self._whole if len(word) >= SHORT)]

    def _add(self, cell: object) -> None:
        self._is_vague = self._is_vague or isinstance(cell, bool | list | dict)
        for text in (cell,) if isinstance(cell, str) else _texts(cell):
            form = _plain(text)
            self._is_vague = self._is_vague or form.is_unclear or (form.glued == {""} and text.strip() != "")
            self._whole.update(form.glued)
            self._words.update(form.words)
        self._whole.discard("")

    def _any_in(self, form: "_Form", parts: list[str]) -> bool:
        for glued in form.glued:
            self._compared += len(parts) * len(glued)
            if self._compared > MAX_COMPARED or any(part in glued for part in parts):
                return True
        return False


class _Form(NamedTuple):
    """A text in the one form, once for each time that an escape was undone: glued together, and its words.

    A single letter is a word of nothing.
    """

    glued: set[str]
    words: set[str]
    is_unclear: bool


def _plain(text: str) -> _Form:
    if text.isascii() and not _ESCAPED.search(text):  # nearly all are, and records have many
        found = _WORD.findall(text.lower())
        return _Form({"".join(found)}, {word for word in found if len(word) > 1}, is_unclear=False)
    glued: set[str] = set()
    words: set[str] = set()
    for step in _unescaped(text):
        found = _WORD.findall(_level(step))
        glued.add("".join(found))
        words.update(word for word in found if len(word) > 1)
        text = step
    return _Form(glued, words, is_unclear=REPLACEMENT in text or text != _unescape(text))


def _unescaped(text: str) -> Iterator[str]:
    """Yield the text, and what it becomes as escapes are undone again and again, as far as that is looked at."""
    yield text
    for _ in range(MAX_ESCAPES):
        plainer = _unescape(text)
        if plainer == text:
            return
        yield plainer
        text = plainer


def _unescape(text: str) -> str:
    return html.unescape(unquote(_ESCAPE.sub(_character, text))) if _ESCAPED.search(text) else text


def _character(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return " "
    number = int(escape[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else REPLACEMENT  # noqa: PLR2004


def _level(text: str) -> str:
    """Return the text without differences of case, width and accents."""
    if text.isascii():
        return text.lower()
    # Turkish i, with and without its dot, meets in capitals, German sz in small letters.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().upper()).lower()
    return "".join(character for character in folded if not unicodedata.combining(character))


def _texts(value: object) -> Iterator[str]:
    """Yield every text and number in the value, blank ones left out."""
    pending = [value]
    while pending:
        first = pending.pop()
        if isinstance(first, list):
            pending.extend(first)
        elif isinstance(first, dict):
            pending.extend(first.values())
            pending.extend(first)
        elif text := parse_text(first):
            yield text
