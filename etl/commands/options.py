"""Values of options that the command line's own types do not know."""

from datetime import timedelta
from typing import Any

import click

from etl.errors import UsageError


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """A duration such as 6h, 90m, 2d or 1d12h; a `least` one may be asked for."""

    name = "duration"

    def __init__(self, *, least: timedelta = timedelta()) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return it, or complain of it by the option's name."""
        from etl.instants import parse_duration  # noqa: PLC0415

        if isinstance(value, timedelta):
            return value
        try:
            found = parse_duration(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if found < self._least:
            self.fail(f"{self._least.total_seconds():g} s is the least", param, ctx)
        return found
