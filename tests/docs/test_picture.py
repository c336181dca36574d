"""The picture of the terminal shows what the command prints now; `make picture` draws it anew."""

import re
from pathlib import Path

from tests.docs import picture
from tests.docs.conftest import Demo, Shell

TITLE = re.compile(r"^(What was|The newest|Why records|Case field|resource|created)\b.*?(talkdesk\.\w+)?$")


def shape(lines: list[str]) -> list[tuple[str, str | None]]:
    """Titles and what they show, without names and numbers, which are others each time."""
    return [(found[1], found[2]) for line in lines if (found := TITLE.match(line))]


def test_it_has_the_shape_of_the_answer(demo: Demo, shell: Shell, tmp_path: Path) -> None:
    with demo.copy() as variables:
        done = shell("talkdesk-etl demo", {"DATABASE_URL": variables["DATABASE_URL"]}, tmp_path)
    known = picture.lines(picture.FILE.read_text(encoding="utf-8"))
    now = picture.lines(picture.picture(done.stdout))

    assert 0 == done.returncode, done.stderr
    assert shape(known) == shape(now)
    assert 6 == len(shape(known))


def test_it_fetches_nothing() -> None:
    """A picture in a README may not, and its words are in the file."""
    drawn = picture.FILE.read_text(encoding="utf-8")

    assert not re.search(r"url\((?!#)|<(image|script|foreignObject)\b", drawn)
