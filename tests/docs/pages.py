"""The documents as a reader has them: pages, the blocks in them, where their links lead."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "llms.txt", *DOCS]
TESTED_ELSEWHERE = ("docs/integrations", "docs/explanation/decisions")
"""What others copy has tests of its own; decisions stay as they were written."""

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """What stands between fences, and the language that it says it is in."""

    language: str
    text: str


def name(page: Path) -> str:
    """Where it is, from the checkout on."""
    return str(page.relative_to(ROOT))


def read(page: Path) -> str:
    """The page's text."""
    return page.read_text(encoding="utf-8")


def told() -> list[Path]:
    """The pages whose blocks are run here."""
    return [README, *(page for page in DOCS if not name(page).startswith(TESTED_ELSEWHERE))]


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The page's blocks, of one language or of all."""
    found = (Block(*match) for match in FENCED.findall(read(page)))
    return [block for block in found if language in {None, block.language}]


def prose(page: Path) -> str:
    """What is no block."""
    return FENCED.sub("", read(page))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page ends with, as GitHub makes it."""
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page)))
    return {heading.replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Each link that leads to another file or heading: as it stands there, the file, the heading or nothing."""
    for link in LINK.findall(prose(page)):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor
