"""Every block of the documents is run, and every link leads somewhere."""

import re
import tomllib
from pathlib import Path

import psycopg
import pytest

from etl import config
from tests.docs import messages, pages
from tests.docs.conftest import Demo, Shell

LANGUAGES = {"sh", "sql", "cron", "toml"}
MOVING = "docs/how-to/back-up-and-move.md"
EMBEDDED = "tests/commands/test_embedded_command.py goes this way"
NOT_RUN = {
    ("README.md", "git clone"): "needs a network, and runs the tests",
    ("README.md", "python3 -m venv"): "needs a network; tests/packaging installs the wheel, and the rest is run below",
    ("docs/tutorial.md", "python3 -m venv"): "needs a network; tests/commands/test_demo.py runs the demo",
    ("docs/how-to/more-machines.md", "talkdesk-etl worker"): "runs until it is stopped; tests/fleet runs it",
    ("docs/how-to/more-machines.md", "talkdesk-etl migrate --citus"): "needs a Citus; tests/warehouse has a stand-in",
    (MOVING, 'psql "$(talkdesk-etl embedded url)"'): EMBEDDED,
    (MOVING, "talkdesk-etl embedded dump"): EMBEDDED,
    (MOVING, "talkdesk-etl embedded stop"): EMBEDDED,
}
"""By page and how they begin: the commands that are not run here, and why."""

WITH_COMMANDS = [page for page in pages.told() if pages.blocks(page, "sh")]
WITH_SQL = [page for page in pages.told() if pages.blocks(page, "sql") and page.name != "rights.md"]
"""What creates roles is run by test_grants."""


def commands(page: Path) -> list[str]:
    return [block.text for block in pages.blocks(page, "sh") if not any(is_meant(key, page, block) for key in NOT_RUN)]


def is_meant(key: tuple[str, str], page: Path, block: pages.Block) -> bool:
    return pages.name(page) == key[0] and block.text.startswith(key[1])


@pytest.mark.parametrize("page", [page for page in WITH_COMMANDS if commands(page)], ids=pages.name)
def test_commands(page: Path, demo: Demo, shell: Shell, tmp_path: Path) -> None:
    """The blocks of a page follow each other in one shell, on a warehouse that is the page's own."""
    (tmp_path / "people.txt").write_text("nobody@example.com\n", encoding="utf-8")
    with demo.copy() as variables:
        done = shell("set -x\n" + "\n".join(commands(page)), variables, tmp_path)

    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("page", WITH_SQL, ids=pages.name)
def test_statements(page: Path, synced_url: str) -> None:
    """Each runs as it stands; a question finds something in the data of the demo. What they do is rolled back."""
    with psycopg.connect(synced_url) as connection:
        for block in pages.blocks(page, "sql"):
            found = connection.execute(block.text.encode())

            assert not found.description or found.fetchall(), block.text
        connection.rollback()


def test_accounts_in_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (block,) = pages.blocks(pages.ROOT / "docs" / "how-to" / "many-accounts.md", "toml")
    (tmp_path / "accounts.toml").write_text(block.text, encoding="utf-8")
    monkeypatch.setenv("TALKDESK_ETL_CONFIG", str(tmp_path / "accounts.toml"))

    assert [*tomllib.loads(block.text)["accounts"]] == [*config.account_names()]


def test_what_is_not_run_is_there() -> None:
    """So that the list says nothing of blocks that are gone."""
    there = [(page, block) for page in pages.told() for block in pages.blocks(page, "sh")]

    assert all(any(is_meant(key, page, block) for page, block in there) for key in NOT_RUN)


@pytest.mark.parametrize("page", pages.told(), ids=pages.name)
def test_every_block_has_a_language(page: Path) -> None:
    """One that a test knows; and nothing is hidden in an indented block."""
    assert {block.language for block in pages.blocks(page)} <= LANGUAGES
    assert not re.search(r"\n\n {4}\S", pages.prose(page))


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link, file, anchor in pages.links(page):
        assert file.exists(), link
        assert not anchor or anchor in pages.anchors(file), link


def test_every_message_has_an_entry() -> None:
    """Whatever the program can say when something is wrong: what it means, and what to do."""
    page = pages.read(pages.ROOT / "docs" / "how-to" / "when-something-is-wrong.md")
    missing = [f"{place}: {piece}" for place, piece in messages.said() if piece not in page]

    assert not missing, "docs/how-to/when-something-is-wrong.md lacks an entry"


def test_every_page_is_two_links_from_the_readme() -> None:
    """Two links away are all of them but what is an appendix to another."""
    near = {file for _, file, _ in pages.links(pages.README)}
    far = {file for page in near if page.suffix == ".md" for _, file, _ in pages.links(page)}

    assert set() == {*pages.DOCS} - near - far
