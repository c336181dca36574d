"""`status`: the warehouse's own account of how far it can be trusted."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Connection, text

from etl.commands.status import Asked, Status, in_words, parse_kinds, read_status
from etl.config import Configured
from etl.errors import UsageError
from etl.instants import parse_duration
from etl.warehouse.tables import imports, rejected_items
from tests.stored import DAY, HOUR, add, add_run, now

ALL = ("imports", "import_records", "case_fields", "case_field_entries")


def rendered(status: Status, *, width: int = 80) -> str:
    out = io.StringIO()
    status.render(Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (timedelta(hours=6), "6h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(days=2), "2d"),
        (timedelta(days=1, hours=12), "1d12h"),
        (timedelta(seconds=30), "30s"),
        (timedelta(hours=6), " 6H "),
    ],
)
def test_durations(expected: timedelta, text: str) -> None:
    """Numbers with units, the largest first."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize("text", ["", "6", "h", "-6h", "6 h", "1.5h", "12h1d", "6w", "٣h", "9999999999d"])
def test_no_durations(text: str) -> None:
    """Anything else is wrong use, never a guess."""
    with pytest.raises(UsageError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("expected", "span"),
    [
        ("0 s", timedelta()),
        ("0 s", timedelta(hours=-1)),
        ("59 s", timedelta(seconds=59)),
        ("1 min", timedelta(seconds=60)),
        ("2 h 5 min", timedelta(hours=2, minutes=5, seconds=7)),
        ("1 d", timedelta(days=1, minutes=59)),
        ("19 d 23 h", timedelta(days=19, hours=23, minutes=59)),
    ],
)
def test_ages_in_words(expected: str, span: timedelta) -> None:
    """Two units are enough to read at a glance."""
    assert expected == in_words(span)


def test_an_empty_warehouse(connection: Connection) -> None:
    """Nothing is known, and that is said."""
    status = read_status(connection, Asked(max_age=HOUR))

    assert {"warehouse": None, "citus": None, "accounts": {}, "stale": [], "found": []} == status.to_json()
    assert "nothing was ever synced into this warehouse\n" == rendered(status)


def test_an_account_that_was_never_synced(connection: Connection) -> None:
    """An account that somebody expects is shown, and stale."""
    status = read_status(connection, Asked(max_age=HOUR), configured=[Configured(name="acme")])

    never = {"last_success_at": None, "age_seconds": None, "rows": 0, "rejected": 0, "hours_until_loss": None}
    found: dict[str, Any] = {"configured": True, "last_run": None, "resources": dict.fromkeys(ALL, never), "gaps": []}
    assert found == status.to_json()["accounts"]["acme"]
    assert ["acme"] == status.stale


def test_what_machines_read(connection: Connection) -> None:
    """Instants in ISO 8601 UTC, spans as numbers."""
    add_run(connection, "r1", *ALL, ago=30 * DAY)
    add_run(connection, "r2", *ALL, ago=2 * HOUR)
    account = read_status(connection).to_json()["accounts"]["acme"]

    began, ended = now(connection) - 30 * DAY, now(connection) - HOUR
    expected = {
        "last_success_at": f"{ended.replace(tzinfo=None).isoformat()}Z",
        "age_seconds": 3600,
        "rows": 0,
        "rejected": 0,
        "hours_until_loss": 478.0,
    }
    assert expected == account["resources"]["imports"]
    assert list(ALL) == list(account["resources"])
    gap_to = ended - 20 * DAY
    assert [
        {"from": f"{began.replace(tzinfo=None).isoformat()}Z", "to": f"{gap_to.replace(tzinfo=None).isoformat()}Z"}
    ] == account["gaps"]


@pytest.mark.parametrize(("expected", "max_age"), [([], None), ([], 3 * HOUR), (["acme"], HOUR)])
def test_stale_accounts(connection: Connection, expected: list[str], max_age: timedelta | None) -> None:
    """One resource that is older than asked for makes its account stale."""
    add_run(connection, "r1", *ALL, ago=3 * HOUR)
    add_run(connection, "r2", *ALL[:3], ago=HOUR)

    assert expected == read_status(connection, Asked(max_age=max_age)).stale


def test_a_resource_that_was_never_synced_is_stale(connection: Connection) -> None:
    """However young the others are."""
    add_run(connection, "r1", *ALL[:3], ago=HOUR)

    assert ["acme"] == read_status(connection, Asked(max_age=DAY)).stale


def test_what_people_read(connection: Connection) -> None:
    """One line a resource, the last run, then every finding, and nothing is cut off where nobody looks."""
    add_run(connection, "r1", *ALL, ago=30 * DAY)
    add_run(connection, "r2", "imports", ago=25 * HOUR, outcome="partial", error="\x1b[2J no answer")
    lines = rendered(read_status(connection, Asked(max_age=DAY)), width=20).splitlines()

    words = ("acme", "imports", "gaps", "1 d", "1", "18 d 23 h")
    assert words == tuple(word for word in words if word in lines[1])
    assert lines[5].startswith("last run of acme (not configured): partial, begun 2")
    assert lines[5].endswith(" UTC: ␛[2J no answer")
    kinds = ["stale", "failed", "gaps"]
    assert [f"{kind}: acme: " for kind in kinds] == [f"{line.split(': ')[0]}: acme: " for line in lines[6:]]
    assert "import_records, case_fields, case_field_entries last synced 29 d 23 h ago" in lines[6]


@pytest.mark.parametrize("width", [60, 120])
def test_a_narrow_terminal(connection: Connection, width: int) -> None:
    """No word is cut off, and what colour says stands there in words."""
    add_run(connection, "r1", *ALL, ago=30 * DAY)
    add_run(connection, "r2", *ALL, ago=HOUR)
    out = io.StringIO()
    status = read_status(connection, configured=[Configured(name="acme")])
    status.render(Console(file=out, width=width, force_terminal=True, color_system="standard"))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    table = [line.rstrip() for line in plain.splitlines() if line.startswith(("acme", "account"))]

    assert all(len(line) <= width for line in table)
    assert "…" not in plain
    assert "\x1b[33m" not in out.getvalue()  # yellow on white
    assert ["gaps", "ok"] == [word for word in ("gaps", "ok") if any(word in line for line in table[-4:])]


def test_what_is_only_stored(connection: Connection) -> None:
    """It is shown as such, and nobody is woken for it, unless it is asked for by name or nothing is configured."""
    add_run(connection, "r1", *ALL, ago=30 * DAY, account="gone")
    add_run(connection, "r2", *ALL, ago=HOUR)
    acme = [Configured(name="acme")]
    status = read_status(connection, Asked(max_age=DAY), configured=acme)

    assert ([], []) == (status.stale, status.found)
    assert {"acme": True, "gone": False} == {
        name: account["configured"] for name, account in status.to_json()["accounts"].items()
    }
    assert "not configured" in rendered(status)
    assert ["gone"] == read_status(connection, Asked(max_age=DAY, names=["gone"]), configured=acme).stale
    assert ["gone"] == read_status(connection, Asked(max_age=DAY)).stale
    with pytest.raises(UsageError, match="--account nobody is neither configured nor stored; acme, gone is"):
        read_status(connection, Asked(names=["nobody"]), configured=acme)


def test_what_an_account_has_at_all(connection: Connection) -> None:
    """The settings say it of a configured one, its newest run of another; status and views keep to it."""
    add_run(connection, "r1", *ALL, ago=30 * DAY, account="gone")
    add_run(connection, "r2", *ALL[2:], ago=HOUR, account="gone", options={"resources": ["case-fields"]})
    add_run(connection, "r3", *ALL[:2], ago=HOUR)
    asked = Asked(fail_on=["stale", "gaps"], max_age=DAY, names=["acme", "gone"])
    status = read_status(connection, asked, configured=[Configured(name="acme", resources=("imports",))])

    assert [] == status.found
    assert {"acme": ALL[:2], "gone": ALL[2:]} == {
        name: tuple(account.resources) for name, account in status.accounts.items()
    }
    gaps = connection.execute(text("SELECT account FROM talkdesk.coverage_gaps"))
    assert [] == gaps.all()
    health = connection.execute(text("SELECT resource FROM talkdesk.sync_health WHERE account = 'gone' ORDER BY 1"))
    assert ["case_field_entries", "case_fields"] == [*health.scalars()]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("failed", "the last run died, begun "),
        ("gaps", "imports submitted from "),
        ("rejected", "1 of case_fields could not be loaded"),
        ("loss", "import_records may be lost in 2 d"),
        ("stale", "case_field_entries never synced"),
    ],
)
def test_kinds_of_findings(connection: Connection, kind: str, why: str) -> None:
    """Each is found by its name alone, and says why."""
    add_run(connection, "r1", *ALL[:3], ago=30 * DAY)
    add_run(connection, "r2", *ALL[:3], ago=HOUR)
    add_run(connection, "r3", ago=HOUR / 2, outcome="running", finished_at=None)  # nobody holds its lock
    item = {"item_id": "1", "run_id": "r2", "resource": "case_fields", "item": "{}", "reason": "no key"}
    add(connection, rejected_items, **item)
    add(connection, imports, import_id="i", created_at=now(connection) - 18 * DAY, first_seen_at=now(connection))
    status = read_status(connection, Asked(fail_on=parse_kinds(kind)), configured=[Configured(name="acme")])

    assert {kind} == {finding.kind for finding in status.found}
    assert any(why in finding.why for finding in status.found)


def test_kinds_are_words() -> None:
    """A kind that does not exist must not be a monitor that never fails."""
    assert {"gaps", "loss"} == parse_kinds(" gaps,LOSS ")
    for word in ("", ",", "gap", "stale,nothing"):
        with pytest.raises(UsageError, match="stale,failed,gaps,rejected,loss"):
            parse_kinds(word)


def test_a_loss_that_may_have_happened(connection: Connection) -> None:
    """The table says for how long."""
    add_run(connection, "r1", *ALL, ago=23 * DAY)

    assert "over for 3 d" in rendered(read_status(connection))
