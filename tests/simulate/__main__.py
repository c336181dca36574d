"""Renew the tables of docs/explanation/scale.md: `make simulate`, or only those of so many accounts (ARGS=1000)."""

import sys

from tests.simulate.page import PAGE, SIZES, blocks, written


def main(sizes: list[int]) -> None:
    """Afterwards the page shows what is computed now."""
    page = PAGE.read_text(encoding="utf-8")
    for name, table in blocks(sizes or SIZES):
        page = written(page, name, table)
        print(f"{name}\n{table}\n")  # noqa: T201 - that is what it is for
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
