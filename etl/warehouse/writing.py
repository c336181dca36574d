"""The one door to the permanent tables: a dry run compares like a sync, and comes to it, but not through it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Executable

_OPTION = "only_compares"


def comparing(engine: Engine) -> Engine:
    """Return the same engine, on whose connections nothing is written."""
    return engine.execution_options(**{_OPTION: True})


def only_compares(connection: Connection) -> bool:
    """Tell whether nothing is written on this connection, so that the ways that save comparing have nothing to give."""
    return bool(connection.get_execution_options().get(_OPTION))


def write(
    connection: Connection,
    statement: Executable,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
) -> int:
    """Write by the statement, unless this connection only compares; says how many rows."""
    if only_compares(connection):
        return 0
    return connection.execute(statement, parameters).rowcount
