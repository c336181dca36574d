"""`status`: the warehouse's own account of how far it can be trusted."""

import io
from datetime import timedelta

import pytest
from rich.console import Console
from sqlalchemy import Connection

from etl.commands.status import Status, in_words, parse_duration, read_status
from etl.errors import UsageError
from tests.stored import DAY, HOUR, add_run, now

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
    status = read_status(connection, max_age=HOUR)

    assert {"warehouse": None, "accounts": {}, "stale": []} == status.to_json()
    assert "nothing was ever synced into this warehouse\n" == rendered(status)


def test_an_account_that_was_never_synced(connection: Connection) -> None:
    """An account that somebody expects is shown, and stale."""
    status = read_status(connection, max_age=HOUR, accounts=["acme"])

    never = {"last_success_at": None, "age_seconds": None, "rows": 0, "rejected": 0, "hours_until_loss": None}
    assert {"resources": dict.fromkeys(ALL, never), "gaps": []} == status.to_json()["accounts"]["acme"]
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

    assert expected == read_status(connection, max_age=max_age).stale


def test_a_resource_that_was_never_synced_is_stale(connection: Connection) -> None:
    """However young the others are."""
    add_run(connection, "r1", *ALL[:3], ago=HOUR)

    assert ["acme"] == read_status(connection, max_age=DAY).stale


def test_what_people_read(connection: Connection) -> None:
    """One line a resource, then every gap, and nothing is cut off where nobody looks."""
    add_run(connection, "r1", *ALL, ago=30 * DAY)
    add_run(connection, "r2", "imports", ago=25 * HOUR)
    text = rendered(read_status(connection, max_age=DAY), width=20)
    lines = text.splitlines()

    assert ["acme", "imports", "1 d", "1", "18 d 23 h"] == [
        word for word in ("acme", "imports", "1 d", "1", "18 d 23 h") if word in lines[1]
    ]
    assert "gap: imports of acme submitted from " in text
    assert "stale: acme" == lines[-1]


def test_a_loss_that_may_have_happened(connection: Connection) -> None:
    """The table says for how long."""
    add_run(connection, "r1", *ALL, ago=23 * DAY)

    assert "over for 3 d" in rendered(read_status(connection))
