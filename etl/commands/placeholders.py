"""`:name` in SQL, where it is neither text, comment nor cast: becomes `$1`, whose value is bound, never pasted."""

import re
from collections.abc import Iterable, Mapping

from etl.commands.terminal import shown
from etl.errors import UsageError

NAME = re.compile(r"[A-Za-z_]\w*")
_ONE_COMMENT = r"/\*(?:(?!/\*|\*/).)*\*/"
_COMMENT = rf"/\*(?:{_ONE_COMMENT}|(?!/\*|\*/).)*\*/"  # Postgres nests them
_TOKEN = re.compile(
    rf"""
    (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    | --[^\n]*
    | {_COMMENT}
    | ::
    | (?P<number>\$\d+)
    | (?<![\w\]):]):(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def parse_parameters(given: Iterable[str]) -> dict[str, str]:
    """Return the values by name, of `NAME=VALUE` each."""
    values: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        name = name.removeprefix(":")
        if not equals or not NAME.fullmatch(name):
            raise UsageError("--param is written NAME=VALUE; the name is made of letters, digits and _")
        if name in values:
            raise UsageError(f"--param {name} is given twice")
        if "\0" in value:
            raise UsageError(f"--param {name} holds a NUL character")
        values[name] = value
    return values


def numbered(sql: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the SQL with numbers in place of the names, and the values in their order; each name stands on both sides.

    `[:n]` is a slice up to the column n unless there is a value for n.
    """
    names: list[str] = []
    missing: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found["number"] and values:
            raise UsageError(f"the SQL has {found['number']} beside --param: name it, as in :name")
        name = found["name"]
        if not name:
            return found[0]
        if name not in values:
            if not sql[: found.start()].rstrip().endswith("["):
                missing.append(name)
            return found[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    statement = _TOKEN.sub(number, sql)
    if missing:
        wanted = ", ".join(f"--param {name}=…" for name in dict.fromkeys(missing))
        raise UsageError(f"the SQL has placeholders without a value: give {wanted}")
    if unknown := [name for name in values if name not in names]:
        raise UsageError(f"the SQL has no placeholder :{shown(', :'.join(unknown))}")
    return statement, [values[name] for name in names]
