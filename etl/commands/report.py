"""The page on disk: made from the warehouse alone, and put in its place whole."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from etl.commands.files import replacing
from etl.report import Asked, Report, read_report, render
from etl.warehouse import opening

STDOUT = "-"
PAGE = "talkdesk-report.html"
"""Where the page is written to unless somebody says."""


class Written(NamedTuple):
    """The page that was written, and what it is about."""

    path: str
    bytes: int
    report: Report

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `report --json`."""
        return {
            "path": self.path,
            "bytes": self.bytes,
            "accounts": self.report.names,
            "from": _instant(self.report.since),
            "to": _instant(self.report.until),
            "as_of": _instant(self.report.as_of),
        }


def write_report(url: str, asked: Asked, out: str, *, command: Sequence[str]) -> Written:
    """Write the page to the file of that name, or to stdout."""
    with opening.read_only(url) as connection:
        report = read_report(connection, asked)
    page = render(report, command=command).encode("utf-8", "replace")
    with nullcontext(sys.stdout.buffer) if out == STDOUT else replacing(out) as file:
        file.write(page)
    return Written(out if out == STDOUT else str(Path(out).expanduser().absolute()), len(page), report)


def _instant(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
