"""Prints the fixed statements of the rooms, each with its name, for the linter of SQL: `make sql-lint`."""

import re

from etl.warehouse.sql import statements

FILES = (
    ("etl.load", "records.sql"),
    ("etl.load", "users.sql"),
    ("etl.load", "erasing.sql"),
    ("etl.report", "report.sql"),
    ("etl.verify", "records.sql"),
)
_PARAMETER = re.compile(r"(?<!:):(\w+)")


def main() -> None:
    """Afterwards they stand on stdout, their parameters as the server numbers them."""
    for package, file in FILES:
        for name, statement in statements(package, file).items():
            print(f"-- {package} {name}\n{numbered(statement.text)};\n")  # noqa: T201 - the answer


def numbered(statement: str) -> str:
    """The statement with `$1` in place of its first parameter."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    return _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)


if __name__ == "__main__":
    main()
