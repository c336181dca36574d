"""Half-open windows of time, as people type them; pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from etl.errors import UsageError
from etl.transform.columns import parse_instant

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
