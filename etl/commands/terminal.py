"""What commands print: one JSON object for machines, and texts that a terminal shows and does not obey."""

from typing import Any

import click

UNBOUNDED = 1_000_000
"""Columns of an answer at which nobody looks: nothing in it is cut off."""

_SIGNS = {code: 0x2400 + code for code in range(32)}  # ␀, ␊ and so on: what stood there is still seen
_STEERING = (*range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_SHOWN = _SIGNS | dict.fromkeys(_STEERING, 0xFFFD)
"""Control characters move the cursor, bidirectional ones make a text look like another one."""


def print_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    import msgspec  # noqa: PLC0415 - `--help` stays quick

    click.echo(msgspec.json.encode(value).decode())


def shown(text: str) -> str:
    """The text with signs in place of the characters that a terminal would obey."""
    return text.translate(_SHOWN)
