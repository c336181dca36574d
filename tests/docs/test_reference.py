"""The reference is the program's own: each page is what it says of itself now. UPDATE_GOLDEN=1 writes them anew."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from etl import errors
from etl.config.models import AccountSettings, WarehouseSettings
from etl.warehouse.opening import read_only
from tests.docs import reference
from tests.docs.conftest import Demo, Shell

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
ANSWERS = {
    "verify": "verify || test $? = 9",
    "status": "status --fail-on loss --loss-within 1000h || test $? = 9",
    "check": "check",
    "sync": "sync",
    "accounts": "accounts",
    "tables": "tables",
    "query": "query 'SELECT 1 AS one'",
    "report": "report",
    "failed-rows": "failed-rows agents.csv --errors",
    "erase": "erase --column Email --dry-run < people.txt",
    "migrate": "migrate",
    "dbt-sources": "dbt-sources",
}


def holds(name: str, text: str) -> None:
    file = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")

    assert text == file.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 writes docs/reference/{name}"


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("commands.md", reference.commands_page),
        ("settings.md", reference.settings_page),
        ("exit-codes.md", reference.exit_codes_page),
    ],
)
def test_what_needs_no_warehouse(name: str, write: Callable[[], str]) -> None:
    holds(name, write())


def test_tables(demo: Demo) -> None:
    with read_only(demo.url) as connection:
        holds("tables.md", reference.tables_page(connection))


def test_json(demo: Demo, shell: Shell, tmp_path: Path) -> None:
    """What each command says of the warehouse of the demo, from which an option is missing, on a line of its own."""
    lines = "\n".join(f"(talkdesk-etl --json {line}) | tr '\\n' ' '; echo" for line in ANSWERS.values())
    (tmp_path / "people.txt").write_text("nobody@example.com\n", encoding="utf-8")
    with demo.copy() as variables:
        with psycopg.connect(variables["DATABASE_URL"]) as connection:
            connection.execute("DELETE FROM talkdesk.case_field_entries WHERE path = '{001}'")
        done = shell(lines, variables, tmp_path)

    assert 0 == done.returncode, done.stderr
    answers = dict(zip(ANSWERS, map(json.loads, done.stdout.splitlines()), strict=True))
    holds("json.md", reference.json_page(answers))


def test_metrics(demo: Demo, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "talkdesk.prom"
    done = shell(f"talkdesk-etl status --quiet --textfile {file}", demo.variables, tmp_path)

    assert 0 == done.returncode, done.stderr
    holds("metrics.md", reference.metrics_page(file.read_text(encoding="utf-8")))


def test_every_code_belongs_to_an_error_or_an_outcome() -> None:
    """Help and the tree of errors name the same."""
    classes = {c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.EtlError)}

    assert set(reference.exit_codes()) == classes | {errors.DONE, errors.PARTLY_DONE, errors.FOUND}


def test_every_setting_is_described() -> None:
    """But for the two that no variable gives."""
    undescribed = {
        name
        for settings in (AccountSettings, WarehouseSettings)
        for name, field in settings.model_fields.items()
        if not field.description
    }

    assert {"name", "private_key"} == undescribed
