"""Messages without what they quote: a page that travels by mail shows no cell of any record; pure.

A message may repeat the cell it complains of, in parts and in another spelling. So what looks like a quotation (in
quotes, an address, a number of three digits or more) gives way to `…`, and so does every word that stands in a cell of
the message's own record. If a whole cell is still found then, however it is spaced, the message is not shown at all.
"""

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote

LEFT_OUT = "…"
LONG = 4
"""Fewer letters or digits stand in many words by chance."""

_QUOTED = re.compile(
    r'"[^"]*"?|“[^”]*”?|„[^“”]*[“”]?|«[^»]*»?|`[^`]*`?'
    r"|(?<!\w)['\u2018][^'\u2019]*['\u2019](?!\w)"
    r"|\S*@\S*"
)
_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d{3,}")
_RUN = re.compile(rf"{LEFT_OUT}(?:[\W_]*{LEFT_OUT})+")


def name_without_cells(name: str | None, cells: object) -> str | None:
    """Return a code, or the name of a column; None if it quotes a cell: these are shown whole or not at all."""
    if name is None or cells is None:
        return None
    return None if _holds_one("".join(_words(name)), [*_texts(cells)]) else name


def without_cells(message: str | None, cells: object) -> str | None:
    """Return the message without quotations and without the words of the record's cells; None if that will not do.

    Nor will it do where there are no cells to hold it against.
    """
    if message is None or cells is None:
        return None
    texts = [*_texts(cells)]
    words = {word for text in texts for word in _words(text)}
    plain = _QUOTED.sub(LEFT_OUT, html.unescape(unquote(message)))
    kept = _WORD.sub(lambda found: LEFT_OUT if _is_quoted(found[0], words) else found[0], plain)
    if _holds_one("".join(_words(kept)), texts):
        return None
    return _RUN.sub(LEFT_OUT, kept).strip()


def _holds_one(glued: str, texts: list[str]) -> bool:
    wholes = ("".join(_words(text)) for text in texts)
    return any(whole in glued if len(whole) >= LONG else whole != "" and whole == glued for whole in wholes)


def _is_quoted(word: str, words: set[str]) -> bool:
    return word.casefold() in words or _NUMBER.search(word) is not None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _texts(value: object) -> Iterator[str]:
    """Yield every text and number in the value; names of columns are none."""
    pending = [value]
    while pending:
        first = pending.pop()
        if isinstance(first, dict):
            pending.extend(first.values())
        elif isinstance(first, list):
            pending.extend(first)
        elif first is not None and not isinstance(first, bool):
            yield str(first)
