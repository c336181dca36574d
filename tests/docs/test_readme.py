"""The README is short, and what it promises has a test."""

import re
from itertools import pairwise

import psycopg
from click.testing import CliRunner

from etl.cli import commands
from tests.docs import pages

QUESTIONS = pages.blocks(pages.ROOT / "docs" / "how-to" / "ask-with-sql.md", "sql")


def test_it_is_read_in_two_minutes() -> None:
    assert len(pages.read(pages.README).splitlines()) <= 150


def test_its_questions_are_the_first_of_many() -> None:
    """Each stands among the others word for word."""
    most_asked = pages.blocks(pages.README, "sql")

    assert 4 == len(most_asked)
    assert set(most_asked) < set(QUESTIONS)


def test_every_promise_names_a_test_that_is_there() -> None:
    """README and the page of promises make the same."""
    promises = re.findall(r"^\| .+ \| `(tests/[\w/.]+)` \|$", pages.read(pages.README), re.MULTILINE)
    page = pages.read(pages.ROOT / "docs" / "explanation" / "promises.md")

    assert 8 == len(promises)
    assert promises == re.findall(r"^\| .+ \| `(tests/[\w/.]+)` \|$", page, re.MULTILINE)
    assert all((pages.ROOT / path).is_file() for path in promises)


def test_the_tree_is_indented(synced_url: str) -> None:
    """A parent stands right above its children."""
    [question] = [block.text for block in QUESTIONS if "repeat(" in block.text]
    with psycopg.connect(synced_url) as connection:
        field = connection.execute(
            "SELECT field_key FROM talkdesk.case_field_entries GROUP BY field_key ORDER BY max(depth) DESC LIMIT 1"
        ).fetchone()
        assert field is not None
        lines = [row[0] for row in connection.execute(question.replace("dependent_field1", field[0]).encode())]
    depths = [(len(line) - len(line.lstrip(" "))) // 4 for line in lines]

    assert depths[0] == 0
    assert max(depths) == 2
    assert all(after <= before + 1 for before, after in pairwise(depths))


def test_help_is_there_for_every_command() -> None:
    for name in commands.commands:
        assert "Usage" in CliRunner().invoke(commands, [name, "--help"]).output
