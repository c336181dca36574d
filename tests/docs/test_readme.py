"""The README says what the program does: its SQL runs, its tables of settings and exit codes are the program's."""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from etl import errors
from etl.cli import commands
from etl.commands.help import EXIT_CODES
from etl.config.described import described
from etl.config.models import AccountSettings, WarehouseSettings

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sql\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
QUESTIONS = [block for block in BLOCKS if block.startswith("SELECT")]
GRANTS = next(block for block in BLOCKS if "GRANT" in block)


@pytest.fixture
def loaded(synced_url: str) -> Iterator[psycopg.Connection]:
    """A warehouse that was synced from the sandbox; what the test does is rolled back."""
    with psycopg.connect(synced_url) as connection:
        yield connection
        connection.rollback()


def test_there_are_questions() -> None:
    assert len(QUESTIONS) == 11


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda text: text.split("FROM")[0][:40].strip())
def test_every_question_has_an_answer(loaded: psycopg.Connection, question: str) -> None:
    """The statement runs as it stands, and finds something in the data of the demo."""
    assert loaded.execute(question.encode()).fetchall()


def test_the_tree_is_indented(loaded: psycopg.Connection) -> None:
    """A parent stands right above its children."""
    [question] = [text for text in QUESTIONS if "repeat(" in text]
    field = loaded.execute(
        "SELECT field_key FROM talkdesk.case_field_entries GROUP BY field_key ORDER BY max(depth) DESC LIMIT 1"
    ).fetchone()
    assert field is not None
    lines = [row[0] for row in loaded.execute(question.replace("dependent_field1", field[0]).encode())]
    depths = [(len(line) - len(line.lstrip(" "))) // 4 for line in lines]

    assert depths[0] == 0
    assert max(depths) == 2
    assert all(after <= before + 1 for before, after in pairwise(depths))


def test_the_exit_codes_are_the_programs() -> None:
    """README, help and the tree of errors name the same codes."""
    readme = {int(code): text for code, text in re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.MULTILINE)}
    help_text = {int(code): text for code, text in re.findall(r"^  (\d+) +(.+)$", EXIT_CODES, re.MULTILINE)}
    classes = {c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.EtlError)}

    assert readme == help_text
    assert set(readme) == classes | {errors.DONE, errors.PARTLY_DONE, errors.FOUND}


def test_the_settings_are_the_programs() -> None:
    """README's table is what the models say of each setting; UPDATE_GOLDEN=1 writes it anew."""
    rows = [f"| `{variable}` | {meaning} | {default} |" for variable, meaning, default in described()]
    wanted = "\n".join(["| variable | meaning | default |", "|---|---|---|", *rows])
    table = re.search(r"\| variable \| meaning \| default \|\n(\|.*\n)+", README)
    assert table is not None
    if os.environ.get("UPDATE_GOLDEN"):
        (ROOT / "README.md").write_text(README.replace(table[0], f"{wanted}\n"), encoding="utf-8")

    assert wanted == table[0].rstrip("\n")


def test_every_setting_is_described() -> None:
    """But for the two that no variable gives."""
    undescribed = {
        name
        for settings in (AccountSettings, WarehouseSettings)
        for name, field in settings.model_fields.items()
        if not field.description
    }

    assert {"name", "private_key"} == undescribed


def test_every_command_stands_in_the_readme() -> None:
    in_readme = re.findall(r"^\| `([a-z-]+)` \|", README.split("## Commands")[1].split("##")[0], re.MULTILINE)

    assert sorted(in_readme) == sorted(commands.commands)


def test_every_promise_names_a_test_that_is_there() -> None:
    for path in re.findall(r"\| `(tests/[\w/.]+)` \|", README):
        assert (ROOT / path).is_file(), path


def test_help_is_there_for_every_command() -> None:
    for name in commands.commands:
        assert "Usage" in CliRunner().invoke(commands, [name, "--help"]).output
