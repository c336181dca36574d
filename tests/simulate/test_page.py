"""The page shows what is computed; the table of 20,000 accounts takes most of a minute, and is renewed by hand."""

import pytest

from tests.simulate.page import FATES, PAGE, SIZES, WAYS, blocks, shown, written

SHOWN = PAGE.read_text(encoding="utf-8")
SMALL, LARGE = SIZES


def test_the_tables_of_the_page_are_what_is_computed() -> None:
    """Else: `make simulate`."""
    for name, table in blocks([SMALL]):
        assert table == shown(SHOWN, name)


def test_the_large_table_has_the_same_lines() -> None:
    lines = shown(SHOWN, f"{LARGE:,} accounts").splitlines()

    assert [(fate.name, way.name) for fate in FATES for way in WAYS] == [
        tuple(cell.strip() for cell in line.split("|")[1:3]) for line in lines[2:]
    ]


def test_a_table_is_written_between_its_marks() -> None:
    page = "Before\n<!-- computed: x -->\nold\nolder\n<!-- end: x -->\nBehind\n"

    assert "Before\n<!-- computed: x -->\nnew\n<!-- end: x -->\nBehind\n" == written(page, "x", "new")
    with pytest.raises(ValueError, match="not enough values"):
        written(page, "y", "new")
