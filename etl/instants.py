"""Half-open windows of time, as people type them; pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from etl.errors import UsageError

_FORMS = (
    "neither a day (2024-01-31, today, yesterday), a month (2024-01) or an age (7d, 12h) "
    "nor an instant (2024-01-31T08:00:00Z, 2024-01-31T08:00:00+02:00)"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_DAYS_AGO = {"today": 0, "yesterday": 1}
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")


class Window(NamedTuple):
    """Since (included) until (not included), both in UTC; None leaves that end open."""

    since: datetime | None
    until: datetime | None

    def contains(self, instant: datetime | None) -> bool:
        """Tell whether the instant lies in the window; an unknown instant lies in none."""
        if instant is None:
            return False
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def reaches_before(self, instant: datetime) -> bool:
        """Tell whether the window begins before the instant."""
        return self.since is None or self.since < instant


def parse_window(from_: str | None, to: str | None, *, now: datetime | None = None) -> Window | None:
    """Parse the window between two texts; None if neither is given.

    A day or a month stands for all of it at both ends: `--from 2024-01-31 --to 2024-01-31` is one day.
    """
    if from_ is None and to is None:
        return None
    now = now or datetime.now(UTC)
    since = None if from_ is None else _require_span("--from", from_, now).since
    until = None if to is None else _require_span("--to", to, now).until
    if since and until and since >= until:
        raise UsageError(f"--from {from_} --to {to}: the window is empty")
    return Window(since, until)


def _require_span(option: str, text: str, now: datetime) -> Window:
    try:
        span = _span(text.strip(), now)
    except (ValueError, OverflowError):  # no such month; so many days ago there were no years
        span = None
    if span is None:
        raise UsageError(f"{option} {text!r} is {_FORMS}")
    return span


def _span(text: str, now: datetime) -> Window | None:
    """From the beginning of what the text names to its end; an instant is both."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if text.lower() in _DAYS_AGO:
        return _day(day - timedelta(days=_DAYS_AGO[text.lower()]))
    if month := _MONTH.fullmatch(text):
        first = datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)
        return Window(first, _or_never(lambda: (first + timedelta(days=31)).replace(day=1)))
    if (age := _duration(text.lower())) is not None:
        return Window(now - age, now - age)
    instant = parse_instant(text)
    if instant is None:
        return None
    return _day(instant) if _DAY.fullmatch(text) else Window(instant, instant)


def _day(midnight: datetime) -> Window:
    return Window(midnight, _or_never(lambda: midnight + timedelta(days=1)))


def _or_never(end: Callable[[], datetime]) -> datetime | None:
    """Return the end; None for that of the last day there is: nothing comes after it."""
    try:
        return end()
    except OverflowError:
        return None


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `6h`, `90m`, `2d`, `1d12h` or `30s`."""
    try:
        found = _duration(text.strip().lower())
    except OverflowError:
        raise UsageError("a duration is at most 999999999 days") from None
    if found is None:
        raise UsageError("a duration is written like 6h, 90m, 2d, 1d12h or 30s")
    return found


def _duration(text: str) -> timedelta | None:
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


_TIME = r"(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d+)?)?"

_ZONE = r"Z|UTC|[+-]\d\d(?::?\d\d)?"

_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]({_TIME})(?: ?({_ZONE}))?)?", re.ASCII | re.IGNORECASE)


def parse_instant(value: object) -> datetime | None:
    """Parse an instant in UTC, cut to microseconds, from RFC 3339 or its looser relatives.

    No zone means UTC, and a bare day its midnight; numbers are not guessed to be epochs.
    """
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    day, time, zone = match.groups()
    offset = zone if zone and zone[0] in "+-" else "+00:00"
    try:
        return datetime.fromisoformat(f"{day}T{time or '00:00'}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
