"""The page: what is on it is what SQL says, and what the source sent is inert in it."""

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import text

from etl.commands.metrics import incomplete_imports
from etl.errors import UsageError
from etl.instants import parse_window
from etl.report import Asked, Report, read_report, render
from etl.warehouse.connections import open_engine
from tests.account import Account
from tests.commands.command import Command

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e.csv"
COUNTS = {
    "imports": "SELECT count(*) FROM talkdesk.import_history WHERE created_at > now() - interval '30 days'",
    "errors": "SELECT count(*) FROM talkdesk.import_errors WHERE created_at > now() - interval '30 days'",
}


class Text(HTMLParser):
    """The words of a page, and the elements and addresses in it."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note the words."""
        self.words.append(data)


def read(url: str, asked: Asked | None = None) -> Report:
    with open_engine(url, read_only=True).connect() as connection:
        return read_report(connection, asked or Asked())


def page(report: Report) -> str:
    return render(report, command=["talkdesk-etl", "report"])


def parsed(html: str) -> Text:
    found = Text()
    found.feed(html)
    return found


def test_the_numbers_are_those_of_the_views(synced: Account) -> None:
    report = read(synced.url)

    assert synced.value(COUNTS["imports"]) == report.imports == sum(row.imports for row in report.daily)
    assert report.imports == sum(row.imports for row in report.types) == sum(row.imports for row in report.people)
    assert synced.value(COUNTS["errors"]) == sum(row.errors for row in report.errors)
    assert synced.size("case_field_entries") == sum(tree.number for tree in report.trees)
    words = " ".join(parsed(page(report)).words)
    for row in report.newest:
        assert row.filename in words
    assert "The copy is whole and current." in words


def test_nothing_leads_out_of_the_page_and_nothing_runs_but_our_own(synced: Account) -> None:
    """No address, no handler; one script, which the page's own policy names by its hash."""
    html = page(read(synced.url))
    found = parsed(html)

    assert not [each for each in found.attributes if each[0] in {"src", "href", "xlink:href", "srcset", "action"}]
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not {"link", "iframe", "object", "img", "form", "base"} & found.tags
    assert 1 == html.count("<script>")
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)


def test_what_the_source_sends_is_inert(acme: Account) -> None:
    """Markup in names, labels, messages and words of all kinds; and what would turn the direction of a text."""
    records = [
        {"id": "r1", "line": 2, "status": "FAILED", "data": {HOSTILE: HOSTILE}, "errors": [{"message": HOSTILE}]},
        {"id": "r2", "line": 3, "status": "FAILED", "data": {}, "errors": [{"code": HOSTILE, "fields": [HOSTILE]}]},
    ]
    item = dict.fromkeys(("filename", "type", "status", "created_by"), HOSTILE)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    acme.world.put_import({"id": HOSTILE, "created_at": now, "failed_records": 2, "total_records": 2, **item}, records)
    tree = [{"key": HOSTILE, "value": HOSTILE, "children": [{"key": "a", "value": HOSTILE}]}]
    acme.world.put_field({"id": "1", "key": HOSTILE, "name": HOSTILE, "dict_list": tree})
    acme.sync()
    html = page(read(acme.url))

    assert "<script>alert" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert 1 == html.count("<script>")


def test_no_cell_of_any_record_is_on_it(acme: Account) -> None:
    """Nor what a message quotes of one, in whatever way."""
    cells = {"Email": "ada@example.com", "Full Name": "Ada Lovelace", "Internal Extension": "918273"}
    messages = ["Ada Lovelace is taken", "'Ada' is wrong", "ada@example.com exists", "extension 918273 is taken"]
    records = [
        {"id": str(n), "line": n, "status": "FAILED", "data": cells, "errors": [{"message": message}]}
        for n, message in enumerate(messages, 2)
    ]
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    acme.world.put_import({"id": "i1", "status": "COMPLETED", "filename": "a.csv", "created_at": now}, records)
    acme.sync()
    html = page(read(acme.url))

    assert "… is taken" in html
    assert not [cell for cell in (*cells.values(), "Ada", "918273") if cell in html]
    assert len(records) <= sum(row.errors for row in read(acme.url).errors)


def test_an_empty_warehouse_says_so(database_url: str) -> None:
    words = " ".join(parsed(page(read(database_url))).words)

    assert "Nothing was ever synced into this warehouse." in words
    assert "<svg" not in page(read(database_url))


def test_a_time_in_which_nothing_happened(synced: Account) -> None:
    words = " ".join(parsed(page(read(synced.url, Asked(window=parse_window("2020-01", "2020-01"))))).words)

    assert words.count("No import was submitted in this time.") == 2
    assert "Nothing failed with a reason in this time." in words
    assert "1 Jan 2020, 00:00 to 1 Feb 2020, 00:00" in re.sub(r"\s+", " ", words)


def test_what_changed_in_the_case_fields(synced: Account) -> None:
    """Renamed, added and removed, with before and after; what was there from the beginning is not new."""
    assert [] == read(synced.url).changes
    synced.world.rename_entry("drop_down1", ["001"], "Renamed")
    synced.world.add_entry("drop_down1", ["099"], "Added")
    synced.world.remove_entry("drop_down1", ["002"])
    synced.sync()

    found = {(row.what, row.is_now) for row in read(synced.url).changes}
    assert {("option renamed", "Renamed"), ("option added", "Added"), ("option removed", None)} == found


def test_no_more_options_than_a_page_can_hold(synced: Account) -> None:
    """The rest is counted, and the command for one field gives its tree whole."""
    options = [{"key": str(n), "value": f"option {n}"} for n in range(2_001)]
    synced.world.put_field({"id": "1", "key": "many", "name": "Many", "dict_list": options})
    synced.sync()
    html = page(read(synced.url))

    assert "report --field many --account=acme" in html
    assert "option 2000" not in html
    assert "2,000 of " in html
    assert "option 2000" in page(read(synced.url, Asked(field="many")))
    with pytest.raises(UsageError, match="no case field"):
        read(synced.url, Asked(field="none"))


def test_the_worst_account_comes_first(synced: Account) -> None:
    synced.change(
        "INSERT INTO talkdesk.case_fields (account, field_key) VALUES ('zenith', 'a'), ('another', 'b')",
    )
    report = read(synced.url)

    assert {"zenith", "another"} == {account.name for account in report.accounts[:2]}
    assert "was never synced to its end" in page(report)
    assert ["acme"] == read(synced.url, Asked(("acme",))).names
    with pytest.raises(UsageError, match="nobody is not in the warehouse"):
        read(synced.url, Asked(("nobody",)))


def test_the_command(synced: Account, tmp_path: Path) -> None:
    """A file in its place, or the page itself; a place that cannot be written leaves the old file."""
    command, place = Command({"DATABASE_URL": synced.url}), tmp_path / "page.html"
    answer = command("report", "--out", str(place), "--json").json
    assert {"path", "bytes", "accounts", "from", "to", "as_of"} == answer.keys()
    assert (str(place), place.stat().st_size, ["acme"]) == (answer["path"], answer["bytes"], answer["accounts"])
    assert command("report", "--out", "-").out.startswith("<!DOCTYPE html>")
    before = place.read_bytes()
    lost = command("report", "--out", str(tmp_path / "nowhere" / "page.html"))
    assert (2, "", 1) == (lost.code, lost.out, len(lost.err.splitlines()))
    assert 2 == command("report", "--account", "nobody", "--out", str(place)).code
    assert before == place.read_bytes()
    assert [place] == [*tmp_path.glob("*page*")]
    assert json.dumps(synced.url) not in place.read_text(encoding="utf-8")


def test_a_large_page_is_small(database_url: str) -> None:
    """Under a megabyte with 5,000 imports and 20,000 options."""
    with open_engine(database_url).connect() as filling, filling.begin():
        filling.execute(
            text(
                "INSERT INTO talkdesk.imports (account, import_id, filename, type, status, total_records, "
                "completed_records, failed_records, created_at, created_by) SELECT 'acme', 'i' || n, "
                "'agents-of-some-department-' || n || '.csv', 'UPDATE_USERS', 'COMPLETED_WITH_ERRORS', 900, 800, 100, "
                "now() - n * interval '8 minutes', 'user ' || n % 40 FROM generate_series(1, 5000) AS n"
            )
        )
        filling.execute(
            text(
                "INSERT INTO talkdesk.case_fields (account, field_key, name) "
                "SELECT 'acme', 'field' || n, 'Field ' || n FROM generate_series(1, 20) AS n"
            )
        )
        filling.execute(
            text(
                "INSERT INTO talkdesk.case_field_entries (account, field_key, entry_id, key, label, path, labels, "
                "depth, position, is_leaf) SELECT 'acme', 'field' || (n % 20 + 1), 'e' || n, 'key' || n, "
                "'An option with a label of usual length ' || n, ARRAY['key' || n], ARRAY['x'], 1, n, true "
                "FROM generate_series(1, 20000) AS n"
            )
        )
    report = read(database_url)

    assert (5000, 200, 20_000) == (report.imports, len(report.newest), sum(tree.number for tree in report.trees))
    assert len(page(report).encode()) < 1_000_000


def test_what_changed_of_the_fields_themselves(acme: Account) -> None:
    """Nor is what a new field brought along told option by option."""
    acme.world.put_field({"id": "1", "key": "a", "name": "Old name", "active": True, "dict_list": []})
    acme.sync()
    acme.world.put_field({"id": "1", "key": "a", "name": "New name", "active": False, "dict_list": []})
    acme.world.put_field({"id": "2", "key": "b", "name": "B", "dict_list": [{"key": "1", "value": "one"}]})
    acme.sync()

    found = {(row.what, row.was, row.is_now) for row in read(acme.url).changes}
    assert {
        ("field renamed", "Old name", "New name"),
        ("field deactivated", None, "New name"),
        ("field added", None, "B"),
    } == found
    assert '<span class="status">inactive</span>' in page(read(acme.url))


def test_why_an_import_failed(acme: Account) -> None:
    error = {"code": "17", "message": "is taken", "fields": [{"name": "Email"}]}
    records = [{"id": "r", "line": 2, "status": "FAILED", "data": {"Email": "ada@example.com"}, "errors": [error]}]
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    acme.world.put_import(
        {"id": "it's", "status": "COMPLETED_WITH_ERRORS", "filename": "a", "created_at": now}, records
    )
    acme.world.put_import({"id": "none", "status": "FAILED", "filename": "b", "created_at": now}, [])
    acme.sync()
    words = re.sub(r"\s+", " ", " ".join(parsed(page(read(acme.url))).words))

    assert "is taken 17 in Email (1 ×)" in words
    assert "The source gave no reason." in words
    assert """talkdesk-etl failed-rows 'it'"'"'s' --account acme""" in words


def test_no_time_that_is_still_to_come(synced: Account) -> None:
    with pytest.raises(UsageError, match="still to come"):
        read(synced.url, Asked(window=parse_window("2999-01", None)))


def test_a_long_time_has_few_columns(database_url: str) -> None:
    """Whatever the time, no figure is a wall; and every import is counted."""
    with open_engine(database_url).connect() as filling, filling.begin():
        filling.execute(
            text(
                "INSERT INTO talkdesk.imports (account, import_id, status, created_at) SELECT 'acme', n, 'FAILED', "
                "timestamptz '2026-01-01 UTC' - n * interval '1 day' FROM generate_series(1, 3000) AS n"
            )
        )
    for since, step, most in (("2025-11-01", "day", 61), ("2025-01-01", "week", 53), ("2018-01-01", "month", 100)):
        report = read(database_url, Asked(window=parse_window(since, "2025-12-31")))
        html = page(report)
        assert f"Imports per {step}" in html
        assert 0 < html.count('aria-roledescription="bar"') <= most
        assert report.imports == sum(row.imports for row in report.daily)


def test_gaps_and_a_failed_run_are_told(synced: Account) -> None:
    synced.change(
        "UPDATE talkdesk.sync_runs SET started_at = started_at - interval '70 days', finished_at = started_at"
    )
    synced.change("UPDATE talkdesk.sync_runs SET finished_at = started_at + interval '1 minute'")
    synced.sync()
    synced.change(
        "INSERT INTO talkdesk.sync_runs (account, run_id, options, outcome, error, version) "
        "VALUES ('acme', 'z', '{}', 'failed', 'no route to <host>', '0')"
    )
    report = read(synced.url)
    words = " ".join(parsed(html := page(report)).words)

    assert 1 == len(report.gaps)
    assert "1 gap in which imports may have come and gone unseen" in words
    assert "the last run has failed: no route to <host>" in words
    assert "<host>" not in html
    assert "acme: gap from" in html


def test_what_errors_say_is_counted_whatever_is_left_of_it(acme: Account) -> None:
    """A word that a record holds is left out of what its error says, in all that say the same."""
    records = [
        {"id": f"r{n}", "status": "FAILED", "data": cells, "errors": [{"code": code, "message": message}]}
        for n, (code, message, cells) in enumerate(
            [
                *[("taken", f"{name} is taken", {"Name": name}) for name in ("Ada", "Bo", "Cy")],
                *[("role", "no such role", {"Role": "agent"})] * 9,
                ("of_secrecy", "fine", {"Name": "secrecy"}),
            ]
        )
    ]
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    acme.world.put_import({"id": "i1", "status": "COMPLETED", "filename": "a.csv", "created_at": now}, records)
    acme.sync()

    assert [("role", "no such role", 9), ("taken", "… is taken", 3), (None, "fine", 1)] == [
        (row.code, row.message, row.errors) for row in read(acme.url).errors if row.files == ["a.csv"]
    ]


def test_two_people_of_one_name_are_two(synced: Account) -> None:
    synced.change(
        "INSERT INTO talkdesk.users (account, user_id, name) VALUES ('acme', 'u1', 'Kim'), ('acme', 'u2', 'Kim')"
    )
    for number in range(3):
        synced.change(
            "INSERT INTO talkdesk.imports (account, import_id, created_at, created_by) VALUES ('acme', %s, now() - "
            "interval '1 hour', %s)",
            f"kim{number}",
            f"u{number % 2 + 1}",
        )

    assert [2, 1] == [row.imports for row in read(synced.url, Asked(("ACME",))).people if row.who == "Kim"]


def test_what_is_lost_for_good_is_told(synced: Account) -> None:
    """An import whose records the source forgot before they were read is as incomplete for the page as for metrics."""
    synced.change(
        "UPDATE talkdesk.imports SET records_loaded_at = NULL, expired_at = now(), records_loaded = 0, "
        "total_records = NULL "
        "WHERE import_id = (SELECT min(import_id) FROM talkdesk.imports WHERE status = 'COMPLETED')"
    )
    with open_engine(synced.url, read_only=True).connect() as connection:
        told = incomplete_imports(connection)

    assert ({"acme": 1}, 1) == (told, read(synced.url).accounts[0].incomplete)
