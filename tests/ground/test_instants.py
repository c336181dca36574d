"""Half-open windows, as people type them."""

from datetime import UTC, datetime

import pytest

from etl.errors import UsageError
from etl.instants import Window, parse_window


def utc(*parts: int) -> datetime:
    """An instant, from its year downwards."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("expected", "from_", "to"),
    [
        (None, None, None),
        (Window(utc(2024, 1, 31), utc(2024, 2, 1)), "2024-01-31", "2024-01-31"),
        (Window(utc(2024, 1, 31), utc(2024, 3, 1)), "2024-01-31", "2024-02-29"),
        (Window(utc(2024, 1, 31), None), "2024-01-31", None),
        (Window(None, utc(2024, 2, 1)), None, "2024-01-31"),
        (
            Window(utc(2024, 1, 31, 8), utc(2024, 1, 31, 8, 0, 1)),
            "2024-01-31T08:00:00Z",
            "2024-01-31T08:00:01Z",
        ),
        (
            Window(utc(2024, 1, 31, 6), utc(2024, 1, 31, 9)),
            "2024-01-31T08:00:00+02:00",
            "2024-01-31T09:00",
        ),
        (Window(utc(2024, 1, 31), utc(2024, 1, 31, 8)), "2024-01-31", "2024-01-31 08:00:00"),
        (Window(utc(9999, 12, 31), None), "9999-12-31", "9999-12-31"),
    ],
)
def test_a_day_is_whole_and_an_instant_exact(expected: Window | None, from_: str | None, to: str | None) -> None:
    """A bare day means all of it at both ends; the last day there is has no end."""
    assert expected == parse_window(from_, to)


@pytest.mark.parametrize(
    ("expected", "from_", "to"),
    [
        (Window(utc(2024, 2, 22, 8, 30), None), "7d", None),
        (Window(utc(2024, 2, 28, 20), utc(2024, 2, 29, 8)), "12h30m", "30M"),
        (Window(utc(2024, 2, 28), utc(2024, 2, 29)), "yesterday", "Yesterday"),
        (Window(utc(2024, 2, 29), utc(2024, 3, 1)), " today ", "today"),
        (Window(utc(2024, 2, 1), utc(2024, 3, 1)), "2024-02", "2024-02"),
        (Window(utc(2023, 12, 1), utc(2024, 2, 1)), "2023-12", "2024-01"),
        (Window(utc(9999, 12, 1), None), "9999-12", "9999-12"),
        (Window(utc(2024, 1, 31), utc(2024, 2, 28, 8, 30)), "2024-01-31", "1d"),
    ],
)
def test_what_people_say_instead(expected: Window, from_: str, to: str | None) -> None:
    """Days by their names and months are whole, too; an age is exact."""
    assert expected == parse_window(from_, to, now=utc(2024, 2, 29, 8, 30))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2024-13",
        "0000-01",
        "7",
        "7w",
        "d",
        "-1d",
        "9999999d",
        "99999999999d",
        "2024-13-01",
        "31.01.2024",
        "2024-01-31T25:00",
        "1706688000",
    ],
)
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_neither_day_nor_instant_is_wrong_use(option: str, text: str) -> None:
    """The message names the option, the text and the forms that work."""
    with pytest.raises(UsageError) as error:
        parse_window(text, None) if option == "--from" else parse_window(None, text)

    assert (
        f"{option} {text!r} is neither a day (2024-01-31, today, yesterday), a month (2024-01) or an age (7d, 12h) "
        "nor an instant (2024-01-31T08:00:00Z, 2024-01-31T08:00:00+02:00)"
    ) == str(error.value)


@pytest.mark.parametrize(
    ("from_", "to"),
    [
        ("2024-02-01", "2024-01-31"),
        ("2024-01-31T08:00:00Z", "2024-01-31T08:00:00Z"),
        ("2024-01-31T08:00:00Z", "2024-01-31T09:00:00+02:00"),
    ],
)
def test_a_window_without_an_instant_in_it_is_wrong_use(from_: str, to: str) -> None:
    """Since must lie before until."""
    with pytest.raises(UsageError, match="the window is empty"):
        parse_window(from_, to)


def test_a_window_contains_its_start_but_not_its_end() -> None:
    """Half-open to the microsecond; an unknown instant lies in no window."""
    window = Window(utc(2024, 1, 31), utc(2024, 2, 1))

    assert window.contains(utc(2024, 1, 31))
    assert window.contains(utc(2024, 1, 31, 23, 59, 59, 999_999))
    assert not window.contains(utc(2024, 2, 1))
    assert not window.contains(utc(2024, 1, 30, 23, 59, 59, 999_999))
    assert not window.contains(None)


def test_an_open_end_contains_everything_on_its_side() -> None:
    """None leaves an end open."""
    assert Window(None, utc(2024, 2, 1)).contains(utc(1, 1, 1))
    assert Window(utc(2024, 1, 31), None).contains(utc(9999, 12, 31))


def test_a_window_reaches_before_what_comes_after_its_start() -> None:
    """Tells whether a backfill asks for more than the source still has."""
    assert Window(utc(2024, 1, 31), None).reaches_before(utc(2024, 2, 1))
    assert Window(None, utc(2024, 1, 31)).reaches_before(utc(2000, 1, 1))
    assert not Window(utc(2024, 1, 31), None).reaches_before(utc(2024, 1, 31))
