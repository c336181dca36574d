"""Reading `.env`: a `NAME=value` a line, each value taken as it is written.

Not by python-dotenv: it cuts an unquoted value at ` #`, which passwords may hold, and cannot be told not to.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from etl.errors import UsageError

_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_SETTING = re.compile(
    r"""
    [ \t]* (?:export[ \t]+)? (?P<name>[A-Za-z_]\w*) [ \t]*=[ \t]*
    (?:
        (?P<quote>["']) (?P<quoted>(?:(?!(?P=quote)).)*) (?P=quote) [ \t]* (?:\#[^\n]*)?
        | (?P<plain>[^\n]*?) [ \t]*
    )
    (?:\n|\Z)
    """,
    re.ASCII | re.DOTALL | re.VERBOSE,
)


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the settings in the file by name, none if there is no file; UsageError names what cannot be read.

    Blank lines, lines that begin with `#`, and `export` before a name mean nothing. Quotes around a whole value are
    taken off, and a quoted value may go over several lines; in it, too, nothing is expanded and nothing escaped.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return _settings(_text(content, path), path)


def _text(content: bytes, path: Path) -> str:
    """Return the text, with the ends of lines that Python takes for such."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise UsageError(f"{path} line 1 cannot be read: the file is UTF-16, save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line} cannot be read: no text in UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _settings(text: str, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        line = _SETTING.match(text, at) or _NOTHING.match(text, at)
        if line is None:
            raise UsageError(f"{path} line {text.count(chr(10), 0, at) + 1} is no NAME=value")
        if line.re is _SETTING:
            found[line["name"]] = line["plain"] if line["quote"] is None else line["quoted"]
        at = line.end()
    return found
