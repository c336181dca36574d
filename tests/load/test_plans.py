"""Statements of a sync find their rows by the keys: what else the warehouse holds costs them nothing.

That holds although the statistics know nothing of the account, as in the first weeks of a second one. Nor do statements
grow with what they are about: the server would compare each row with each item of a written list.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, event

from etl.verify.story import verify_accounts
from etl.warehouse import tables
from etl.warehouse.connections import driver_of
from tests.account import Account, changed, sync

FILL = (
    """
    INSERT INTO talkdesk.imports (account, import_id, status, records_loaded_at)
    SELECT 'account ' || a, 'i' || i, 'COMPLETED', now()
    FROM generate_series(1, 50) AS a, generate_series(1, 100) AS i
    """,
    """
    INSERT INTO talkdesk.imports_versions (account, import_id, status, valid_from)
    SELECT account, import_id, status, first_seen_at FROM talkdesk.imports
    """,
    """
    INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)
    SELECT account, import_id, n, n, '{}' FROM talkdesk.imports, generate_series(1, 20) AS n
    """,
    """
    INSERT INTO talkdesk.import_record_errors (account, import_id, record_key, error_no, extra)
    SELECT account, import_id, record_key, 0, '{}' FROM talkdesk.import_records
    """,
    """
    INSERT INTO talkdesk.case_fields (account, field_key)
    SELECT 'account ' || a, 'f' || f FROM generate_series(1, 50) AS a, generate_series(1, 100) AS f
    """,
    """
    INSERT INTO talkdesk.case_fields_versions (account, field_key, valid_from)
    SELECT account, field_key, first_seen_at FROM talkdesk.case_fields
    """,
    """
    INSERT INTO talkdesk.case_field_entries (account, field_key, entry_id, key, path, labels, depth, position, is_leaf)
    SELECT account, field_key, n, n, ARRAY[n::text], ARRAY[n::text], 1, n, true
    FROM talkdesk.case_fields, generate_series(1, 10) AS n
    """,
    """
    INSERT INTO talkdesk.case_field_entries_versions (account, field_key, entry_id, key, path, depth, valid_from)
    SELECT account, field_key, entry_id, key, path, depth, first_seen_at FROM talkdesk.case_field_entries
    """,
    "ANALYZE",
)
LARGE = {
    table.name
    for table in tables.metadata.tables.values()
    if table.name.startswith(("imports", "import_record", "case_field"))
}


OWN_PAST = """
    INSERT INTO talkdesk.import_records (account, import_id, record_key, position, data)
    SELECT 'acme', 'old ' || i, n, n, '{}' FROM generate_series(1, 1000) AS i, generate_series(1, 20) AS n
"""
TYPES = {
    bool: "boolean",
    int: "bigint",
    float: "float8",
    list: "text[]",
    datetime: "timestamptz",
    timedelta: "interval",
}
PARAMETER = re.compile(r"%\((\w+)\)s")
MAX_COST = 100_000  # from here on PostgreSQL compiles statements: jit_above_cost

pytestmark = pytest.mark.every_server


@pytest.fixture
def crowded(acme: Account) -> Account:
    """An account in a warehouse that holds 120,000 records of others and of its own past; only others are counted."""
    for table in tables.metadata.tables.values():
        acme.command(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    for statement in (*FILL, OWN_PAST):
        acme.command(statement)
    return acme


@contextmanager
def plans() -> Iterator[dict[str, Any]]:
    """Inside, every statement that reads or writes is explained before it runs; its plan is there by its text."""
    found: dict[str, Any] = {}

    def explain(connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.split(maxsplit=1)[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            found[statement] = planned(
                connection, statement, parameters[0] if isinstance(parameters, list) else parameters
            )

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def planned(connection: Connection, statement: str, parameters: dict[str, Any]) -> Any:
    """The plan of a statement as it is sent: what its parameters are may be hidden from the planner."""
    names = list(dict.fromkeys(PARAMETER.findall(statement)))
    numbered = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement).replace("%%", "%")
    driver = driver_of(connection)
    types = ", ".join(TYPES.get(type(parameters[name]), "unknown") for name in names)
    driver.execute(f"PREPARE explained {f'({types})' if names else ''} AS {numbered}".encode())
    given = sql.SQL(", ").join(sql.Literal(parameters[name]) for name in names)
    execute = sql.SQL("EXECUTE explained({})" if names else "EXECUTE explained").format(given)
    plan = driver.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(execute)).fetchone()
    driver.execute("DEALLOCATE explained")
    return plan and plan[0]


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """The nodes of a plan."""
    if isinstance(plan, dict):
        yield plan
    children = plan if isinstance(plan, list) else plan.values() if isinstance(plan, dict) else ()
    for child in children:
        yield from nodes(child)


def scanned(plan: Any) -> set[str]:
    """The large tables that a plan reads without asking an index for the account and, if it says which, the import."""
    read = [node for node in nodes(plan) if node.get("Node Type", "").endswith("Scan")]
    careless = (node for node in read if "account" not in asked(node) or "import_id" in node.get("Filter", ""))
    return {node.get("Relation Name", "") for node in careless} & LARGE


def asked(node: dict[str, Any]) -> str:
    """What a node asks an index for, itself or by the bitmap below it."""
    return " ".join(each.get("Index Cond", "") for each in nodes(node))


def repeated(plan: Any) -> list[str]:
    """What is asked once for every row and not by an index for one thing: the server hashes only what fits work_mem."""
    subplans = [node for node in nodes(plan) if node.get("Parent Relationship") == "SubPlan"]
    return [str(node) for node in subplans if not re.search(r"(import_id|field_key|\bitem_id) [=>] ", asked(node))]


def costs(plan: Any) -> float:
    """What the planner thinks of it."""
    return max(float(node.get("Total Cost", 0)) for node in nodes(plan))


@pytest.mark.parametrize("step", ["first sync", "the same again", "full", "changed", "verify"])
def test_rows_are_found_by_their_keys(crowded: Account, step: str) -> None:
    """No table is read from end to end, and nothing is asked row by row: not in a first sync nor in any later one."""
    if step != "first sync":
        sync(crowded)
    if step == "changed":
        change_everything(crowded)
    with plans() as found:
        verified(crowded) if step == "verify" else sync(crowded, full=step in {"full", "changed"})

    assert len(found) > (5 if step == "verify" else 15)
    assert {} == {text: tables for text, plan in found.items() if (tables := scanned(plan))}
    assert {} == {text: asked for text, plan in found.items() if (asked := repeated(plan))}
    assert {} == {text: plan for text, plan in found.items() if costs(plan) > MAX_COST or "JIT" in str(plan)}
    assert [] == [text for text, plan in found.items() if any(n.get("Node Type") == "Nested Loop" for n in nodes(plan))]


def verified(account: Account) -> None:
    """Source and warehouse are compared, each record among them."""
    verification = verify_accounts(account.url, [account.settings], deep=True, stop=threading.Event())
    assert verification.compared["acme"]["import_records"]


def change_everything(account: Account) -> None:
    """Rows were changed, added and removed on both sides."""
    account.change("UPDATE talkdesk.import_records SET status = 'x' WHERE account = 'acme' AND position < 3")
    account.change("DELETE FROM talkdesk.import_records WHERE account = 'acme' AND position = 3")
    account.change("UPDATE talkdesk.import_records SET record_key = 'gone' WHERE account = 'acme' AND position = 4")
    account.change("UPDATE talkdesk.imports SET status = 'x' WHERE account = 'acme'")
    account.change("UPDATE talkdesk.case_fields SET name = 'x' WHERE account = 'acme'")
    account.change("UPDATE talkdesk.case_field_entries SET label = 'x' WHERE account = 'acme'")
    for field in account.world.case_fields()[:2]:
        account.world.remove_field(str(field["key"]))


def test_statements_do_not_grow(synced: Account) -> None:
    """Two case fields and their entries are removed, then all others but one."""
    seen = []
    fields = [str(field["key"]) for field in synced.world.case_fields()]
    for some in (fields[:2], fields[2:-1]):
        for key in some:
            synced.world.remove_field(key)
        with plans() as found:
            outcome = sync(synced, full=True)
        seen.append(set(found))
        assert changed(outcome, "case_field_entries")["removed"] > 1

    few, many = seen
    assert few == many
