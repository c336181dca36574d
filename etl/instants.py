"""Half-open windows of time, as people type them; pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from etl.errors import UsageError

_FORMS = "neither a day (2024-01-31) nor an instant (2024-01-31T08:00:00Z, 2024-01-31T08:00:00+02:00)"
_DAY_LENGTH = len("2024-01-31")


class Window(NamedTuple):
    """Since (included) until (not included), both in UTC; None leaves that end open."""

    since: datetime | None
    until: datetime | None

    def contains(self, instant: datetime | None) -> bool:
        """True if the instant lies in the window; an unknown instant lies in none."""
        if instant is None:
            return False
        return (self.since is None or self.since <= instant) and (self.until is None or instant < self.until)

    def reaches_before(self, instant: datetime) -> bool:
        """True if the window begins before the instant."""
        return self.since is None or self.since < instant


def parse_window(from_: str | None, to: str | None) -> Window | None:
    """The window between two texts; None if neither is given.

    A day stands for all of it at both ends: `--from 2024-01-31 --to 2024-01-31` is one day.
    """
    if from_ is None and to is None:
        return None
    since = None if from_ is None else _require_instant("--from", from_)
    until = None if to is None else _require_end("--to", to)
    if since and until and since >= until:
        raise UsageError(f"--from {from_} --to {to}: the window is empty")
    return Window(since, until)


def _require_instant(option: str, text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise UsageError(f"{option} {text!r} is {_FORMS}")
    return instant


def _require_end(option: str, text: str) -> datetime | None:
    instant = _require_instant(option, text)
    if len(text) > _DAY_LENGTH:
        return instant
    try:
        return instant + timedelta(days=1)
    except OverflowError:  # the last day there is: nothing comes after it
        return None


_TIME = r"(?:[01]\d|2[0-3]):\d\d(?::\d\d(?:[.,]\d+)?)?"

_ZONE = r"Z|UTC|[+-]\d\d(?::?\d\d)?"

_INSTANT = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]({_TIME})(?: ?({_ZONE}))?)?", re.ASCII | re.IGNORECASE)


def parse_instant(value: object) -> datetime | None:
    """An instant in UTC, cut to microseconds, from RFC 3339 or its looser relatives.

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
