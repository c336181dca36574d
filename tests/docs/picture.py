"""Making docs/images/terminal.svg of what `make run` prints (`make picture`): the command's own words and colours."""

import io
import os
import re
import subprocess
import sys
import tempfile
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.text import Text

FILE = Path(__file__).parents[2] / "docs" / "images" / "terminal.svg"
WIDTH = 96
CONTROLS = re.compile(r"\x1b\[\?\d+[hl]")
LAST = "To go on"
"""What follows names folders of the machine at hand."""


def printed() -> str:
    """What `make run` prints, with its colours."""
    command = [sys.executable, "-m", "etl", "demo", "--color", "always"]
    with tempfile.TemporaryDirectory() as folder:
        places = {"COLUMNS": str(WIDTH), "PYTHONPATH": str(FILE.parents[2])}
        return subprocess.run(
            command, env=os.environ | places, cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def picture(said: str) -> str:
    """The words as an SVG that fetches nothing from anywhere."""
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard")
    said = CONTROLS.sub("", said)
    for line in takewhile(lambda line: not line.plain.startswith(LAST), Text.from_ansi(said).split()):
        screen.print(line)
    return re.sub(r"@font-face \{.*?\}\s*", "", screen.export_svg(title="make run", unique_id="look"), flags=re.DOTALL)


def lines(svg: str) -> list[str]:
    """The lines that stand in it, from the top."""
    rows: dict[float, list[str]] = {}
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - our own
        if "clip-path" in element.attrib:
            rows.setdefault(float(element.attrib["y"]), []).append(element.text or "")
    return ["".join(parts).replace("\xa0", " ").strip() for _, parts in sorted(rows.items())]


if __name__ == "__main__":
    FILE.write_text(picture(printed()), encoding="utf-8")
