"""Fixed statements, each in a file of its own; what follows from the tables is composed in the code instead."""

from importlib import resources

from sqlalchemy import TextClause, text


def statement(name: str) -> TextClause:
    """The statement of that name."""
    return text(resources.files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))
