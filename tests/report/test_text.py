"""The words of the page about a fixed set of data: what changes in them is seen in review."""

import os
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

from sqlalchemy import Connection

from etl.instants import parse_window
from etl.report import Asked, read_report, render
from etl.warehouse.tables import (
    case_field_entries,
    case_field_entries_versions,
    case_fields,
    case_fields_versions,
    import_record_errors,
    import_records,
    imports,
    rejected_items,
    users,
)
from tests.stored import HOUR, MORNING, add, add_run

GOLDEN = Path(__file__).parents[1] / "golden" / "report.txt"
BLOCKS = {"p", "h1", "h2", "h3", "li", "tr", "figcaption", "summary", "header", "title", "code"}
NOT_TOLD = {"script", "style", "svg"}


class Lines(HTMLParser):
    """The words of a page, a block a line, without pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.untold = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - html.parser's
        """Begin a line with a block, a cell behind a bar."""
        self.untold += tag in NOT_TOLD
        self.text += "\n" if tag in BLOCKS else " | " if tag in {"td", "th"} else ""

    def handle_endtag(self, tag: str) -> None:
        """Note where we are."""
        self.untold -= tag in NOT_TOLD

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        if not self.untold:
            self.text += re.sub(r"\s+", " ", data)


def text_of(html: str) -> str:
    """The words, with … in place of what the clock says, which is of another year than the data."""
    lines = Lines()
    lines.feed(html)
    said = re.sub(r"talkdesk-etl \S+ · schema \d+", "talkdesk-etl … · schema …", lines.text)
    said = re.sub(r"\d{1,2} [A-Z][a-z]{2} 20(?!24)\d\d(, \d\d:\d\d)?", "…", said)
    return "\n".join(line.strip() for line in said.splitlines() if line.strip(" |")) + "\n"


def fill(connection: Connection) -> None:
    add_run(connection, "r1", "imports", "import_records", "case_fields", "case_field_entries", ago=2 * HOUR)
    add(connection, users, user_id="u1", name="Ada <b>Lovelace</b>")
    statuses = ("COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELED", "IN_PROGRESS", "A_NEW_WORD")
    for number, status in enumerate(statuses):
        add(
            connection,
            imports,
            import_id=f"i{number}",
            filename=f"agents {number}.csv",
            type=("CREATE_USERS", "UPDATE_USERS")[number % 2],
            status=status,
            total_records=10 * number,
            completed_records=9 * number,
            failed_records=number if status == "COMPLETED_WITH_ERRORS" else 0,
            created_by=("u1", "u2")[number % 2],
            created_at=MORNING + number * timedelta(hours=20),
            updated_at=MORNING + number * timedelta(hours=20, minutes=3),
            records_loaded=10 * number,
            records_loaded_at=MORNING,
        )
    record = {"import_id": "i1", "record_key": "line:2"}
    add(connection, import_records, **record, line=2, position=0, status="FAILED", data={"Email": "a@b.example"})
    add(
        connection,
        import_record_errors,
        **record,
        error_no=0,
        code="17",
        message="a@b.example is in use",
        field="Email",
    )
    add(connection, rejected_items, item_id="x", run_id="r1", resource="imports", item="{}", reason="no id")
    begun, later = datetime(2024, 1, 1, tzinfo=UTC), MORNING + timedelta(days=2)
    field = {"field_key": "f", "name": "Reason", "active": False}
    add(connection, case_fields, **field)
    add(connection, case_fields_versions, **field, valid_from=begun)
    for key, old, new in (("1", "Invoice", "Bill"), ("2", "Refund", "Refund")):
        entry = {"field_key": "f", "entry_id": key, "key": key, "path": [key], "depth": 1}
        add(connection, case_field_entries, **entry, label=new, labels=[new], position=1, is_leaf=True)
        ends = None if old == new else later
        add(connection, case_field_entries_versions, **entry, label=old, valid_from=begun, valid_to=ends)
        if ends:
            add(connection, case_field_entries_versions, **entry, label=new, valid_from=later)


def test_the_words_of_a_page(connection: Connection) -> None:
    fill(connection)
    report = read_report(connection, Asked(window=parse_window("2024-03", "2024-03")))
    said = text_of(render(report, command=["talkdesk-etl", "report", "--from", "2024-03", "--to", "2024-03"]))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(said, encoding="utf-8")

    assert GOLDEN.read_text(encoding="utf-8") == said
