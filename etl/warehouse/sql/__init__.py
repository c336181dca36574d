"""Fixed statements: one to a file here, or many to a file by their names; what varies by table is composed in code."""

import re
from importlib import resources

from sqlalchemy import TextClause, text

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


def statement(name: str) -> TextClause:
    """Return the statement of that name, which has a file of its own."""
    return text(_read(__name__, f"{name}.sql"))


def statements(package: str, file: str) -> dict[str, TextClause]:
    """Return the statements of a package's file by their names: each begins with a line `-- name --`."""
    _, *parts = _NAME.split(_read(package, file))
    return {name: text(body.strip()) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def _read(package: str, file: str) -> str:
    return resources.files(package).joinpath(file).read_text(encoding="utf-8")
