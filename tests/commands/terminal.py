"""The program at a terminal: what went through it, and what stands on its screen in the end."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import NamedTuple

from tests.commands.command import Command

MOVES = re.compile(r"\x1b\[(\??\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Seen(NamedTuple):
    """What the program wrote, and the lines that are left of it."""

    code: int
    raw: str
    screen: list[str]


def at_terminal(command: Command, *arguments: str, columns: int = 60, **variables: str) -> Seen:
    """What the command shows on a terminal of that width."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in command.environment.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [*command.program, *arguments],
        env=environment | {"TERM": "xterm-256color"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=there,
        stderr=there,
    ) as process:
        os.close(there)
        raw = _read(here)
    return Seen(process.returncode, raw, screen(raw))


def _read(terminal: int) -> str:
    parts = []
    with open(terminal, "rb", buffering=0) as file:
        try:
            while part := file.read(65536):
                parts.append(part)
        except OSError:  # how Linux says that nobody holds the other end any more
            pass
    return b"".join(parts).decode()


def screen(raw: str) -> list[str]:
    """The lines that are left, by the few movements that a progress bar makes."""
    lines, row = [""], 0
    column = 0
    for number, letter, back, down, text in MOVES.findall(raw):
        if text:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        elif back:
            column = 0
        elif down:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif letter == "A":
            row -= int(number or 1)
        elif letter == "K":
            lines[row] = ""
    return [line.rstrip() for line in lines if line.strip()]
