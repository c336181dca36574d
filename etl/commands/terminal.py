"""What commands print."""

from typing import Any

import click


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    import msgspec  # noqa: PLC0415 - lazily, see the module's docstring

    click.echo(msgspec.json.encode(value).decode())
