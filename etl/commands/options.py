"""Options that several commands share, and values that the command line's own types do not know."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import Any

import click

from etl.commands.terminal import use_color
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


def options_of_all(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the options that every command takes, and that may stand before its name, too."""
    for option in (
        click.option("--color", type=click.Choice(["auto", "always", "never"]), help="Colours; auto: at a terminal."),
        click.option("--verbose", "-v", is_flag=True, help="Say more on stderr: settings, addresses, retries."),
        click.option("--quiet", "-q", is_flag=True, help="Say only what went wrong."),
        click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object on stdout."),
    ):
        command = option(command)
    return command


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with those options, wherever they stand."""

    @wraps(command)
    def merged(*, color: str | None, **given: Any) -> Any:
        before = click.get_current_context().find_root().obj or {}
        use_color(color or before.get("color") or "auto")
        flags = {name: given[name] or before.get(name, False) for name in ("as_json", "quiet", "verbose")}
        return command(**{**given, **flags})

    return options_of_all(merged)


def account_names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a configured account; whatever is wrong is said elsewhere."""
    from etl import config  # noqa: PLC0415

    logging.disable()
    with suppress(Exception):
        given = ctx.params.get("accounts") or ()
        return [name for name in config.account_names() if name.startswith(incomplete.lower()) and name not in given]
    return []


def account(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with a choice of accounts."""
    return click.option(
        "--account",
        "accounts",
        multiple=True,
        metavar="NAME",
        shell_complete=account_names,
        help="Only this account; may be repeated.",
    )(command)


def only(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with a choice of one part of the accounts."""
    return click.option("--only", type=click.Choice(["imports", "case-fields", "users"]), help="Only this part.")(
        command
    )
