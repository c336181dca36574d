"""What an analyst finds in the warehouse: its tables, views and functions, and the columns of one of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from etl.commands.terminal import console, shown
from etl.errors import UsageError
from etl.warehouse.connections import driver_of
from etl.warehouse.sql import statement
from etl.warehouse.sqlstates import translated
from etl.warehouse.tables import SCHEMA

if TYPE_CHECKING:
    from rich.table import Table

FUNCTION = "function"
COUNT_MILLISECONDS = 500
WITHIN = sql.SQL("SET LOCAL statement_timeout = {}").format(COUNT_MILLISECONDS)
COUNT = sql.SQL("SELECT pg_catalog.count(*) FROM {}")
ESTIMATE = sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {}")


@dataclass(frozen=True)
class Relation:
    """A table, view or function; `rows` is None of a function, and of what the role may not read."""

    id: int
    name: str
    kind: str
    arguments: str | None
    comment: str | None
    rows: int | None = None
    is_estimate: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the relation as `tables --json` shows it."""
        what = {"name": self.name, "kind": self.kind}
        if self.kind == FUNCTION:
            return {**what, "arguments": self.arguments, "comment": self.comment}
        return {**what, "rows": self.rows, "estimated": self.is_estimate, "comment": self.comment}


@dataclass(frozen=True)
class Column:
    """A column of one of them; of a view or function Postgres does not know whether it may be NULL."""

    name: str
    type: str
    nullable: bool
    comment: str | None


@dataclass(frozen=True)
class Overview:
    """All that the schema holds."""

    relations: list[Relation]

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `tables --json`."""
        parts: dict[str, list[dict[str, Any]]] = {"tables": [], "functions": []}
        for each in self.relations:
            parts["functions" if each.kind == FUNCTION else "tables"].append(each.to_json())
        return parts

    def print(self) -> None:
        """Print a line for each on stdout, and what the estimates are."""
        screen = console()
        rows = ((each.name, each.kind, _rows(each), each.comment or "") for each in self.relations)
        screen.print(_grid(("name", "kind", "rows", "comment"), rows, right="rows"))
        if any(each.is_estimate for each in self.relations):
            screen.print("~ the planner's estimate: counting would take long", style="dim")


@dataclass(frozen=True)
class Description:
    """One of them, with its columns."""

    relation: Relation
    columns: list[Column]

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `tables NAME --json`."""
        return {**self.relation.to_json(), "columns": [dict(vars(column)) for column in self.columns]}

    def print(self) -> None:
        """Print what it is, then a line for each column, on stdout."""
        screen = console()
        one = self.relation
        head = f"{one.name}({one.arguments})" if one.kind == FUNCTION else f"{one.name}: {one.kind}, {_rows(one)} rows"
        screen.print(shown(head), style="bold", markup=False, soft_wrap=True)
        screen.print(shown(one.comment or ""), markup=False)
        rows = (
            (each.name, each.type, "" if each.nullable else "not null", each.comment or "") for each in self.columns
        )
        screen.print(_grid(("column", "type", "", "comment"), rows))


def read_tables(connection: Connection) -> Overview:
    """Return all tables, views and functions, with their rows."""
    with translated():
        return Overview([_counted(connection, each) for each in _relations(connection)])


def read_table(connection: Connection, name: str) -> Description:
    """Return the one of that name, with or without the schema's."""
    with translated():
        relation = _named(_relations(connection), name.removeprefix(f"{SCHEMA}."))
        return Description(_counted(connection, relation), _columns(connection, relation))


def describe_all(connection: Connection) -> list[Description]:
    """Return all tables and views with their columns; nothing is counted."""
    with translated():
        return [
            Description(each, _columns(connection, each)) for each in _relations(connection) if each.kind != FUNCTION
        ]


def _columns(connection: Connection, relation: Relation) -> list[Column]:
    wanted = {"id": relation.id, "kind": relation.kind}
    return [Column(*row) for row in connection.execute(statement("relation_columns"), wanted)]


def _relations(connection: Connection) -> list[Relation]:
    return [Relation(*row) for row in connection.execute(statement("relations"))]


def _named(relations: Sequence[Relation], name: str) -> Relation:
    known = {each.name: each for each in relations}
    found = known.get(name) or known.get(name.lower())  # Postgres folds what is not quoted, too
    if found is None:
        near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        hint = f"the nearest is {near[0]}" if near else "`talkdesk-etl tables` lists all"
        raise UsageError(f"there is no table, view or function {shown(name)!r}: {hint}")
    return found


def _counted(connection: Connection, relation: Relation) -> Relation:
    """With its rows: counted where that is quick, else as the planner takes them to be."""
    if relation.kind == FUNCTION:
        return relation
    driver, name = driver_of(connection), sql.Identifier(SCHEMA, relation.name)
    try:
        rows = _count(driver, name)
        if rows is not None:
            return replace(relation, rows=rows)
        with driver.transaction():
            return replace(relation, rows=_estimate(driver, name), is_estimate=True)
    except psycopg.errors.InsufficientPrivilege:
        return relation


def _count(driver: "psycopg.Connection[Any]", name: sql.Identifier) -> int | None:
    """None if it takes long to find out."""
    try:
        with driver.transaction():
            driver.execute(WITHIN)
            row = driver.execute(COUNT.format(name)).fetchone()
    except psycopg.errors.QueryCanceled:
        return None
    return row[0] if row else None


def _estimate(driver: "psycopg.Connection[Any]", name: sql.Identifier) -> int:
    row = driver.execute(ESTIMATE.format(name)).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


# In words


def _rows(relation: Relation) -> str:
    if relation.rows is None:
        return "" if relation.kind == FUNCTION else "no right"
    return f"{'~' if relation.is_estimate else ''}{relation.rows:,}"


def _grid(names: Sequence[str], rows: Iterable[Sequence[str]], *, right: str = "") -> "Table":
    from rich.table import Table  # noqa: PLC0415 - takes a while, and machines do not need it
    from rich.text import Text  # noqa: PLC0415

    grid = Table(box=None, pad_edge=False)
    for name in names:
        # What is typed again stays whole; the comment takes the room that is left.
        grid.add_column(name, justify="right" if name == right else "left", no_wrap=name != "comment")
    for row in rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    return grid
