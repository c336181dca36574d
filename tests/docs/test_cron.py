"""Crontab lines run as they are printed: with cron's own path, and nothing said while nothing is wrong."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from etl.commands.demo.screen import cron_line
from tests.account import Account
from tests.commands.conftest import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "schedule-and-monitor.md").read_text(encoding="utf-8")
CRONTAB = (ROOT / "docs" / "integrations" / "cron" / "talkdesk-etl").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).with_name("talkdesk-etl")
LINE = re.compile(r"^ *(?:[\d*/,-]+ +){5}(?P<command>.+)$", re.MULTILINE)


def by_cron(command: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """What the rest of a crontab's line comes to, as cron(8) runs it."""
    environment = ("env", "-i", "PATH=/usr/bin:/bin", f"HOME={home}", "SHELL=/bin/sh", "LOGNAME=nobody")
    command = command.replace(r"\%", "%")
    return subprocess.run((*environment, "sh", "-c", command), capture_output=True, text=True, check=False, cwd="/")


@pytest.fixture
def folder(acme: Account, tmp_path: Path) -> Path:
    """A folder with the settings of an account; its name is hard to quote."""
    place = tmp_path / "it's 100% here"
    place.mkdir()
    (place / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings(acme).items()))
    return place


@pytest.mark.parametrize("page", [PAGE, CRONTAB], ids=["the page's", "the file for cron.d"])
def test_the_lines(acme: Account, folder: Path, page: str) -> None:
    """In /etc/cron.d a user's name stands before the command, and paths are absolute."""
    link = folder.parent / "etc"
    link.symlink_to(folder)
    lines = [line["command"] for line in LINE.finditer(page)]
    assert 2 == len(lines)
    for line in lines:
        user, command = line.split(maxsplit=1)
        here = command.replace("/etc/talkdesk-etl", shlex.quote(str(link))).replace(
            "/opt/talkdesk-etl/bin/talkdesk-etl", shlex.quote(str(PROGRAM))
        )
        said = by_cron(here, folder)

        assert "talkdesk" == user
        assert (0, "", "") == (said.returncode, said.stdout, said.stderr)
    assert 12 == acme.size("imports")


def test_the_line_of_the_demo(acme: Account, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs where the demo was run."""
    monkeypatch.chdir(folder)
    line = LINE.match(cron_line("7 * * * *", "sync -q"))
    assert line is not None
    said = by_cron(line["command"], folder)

    assert (0, "", "") == (said.returncode, said.stdout, said.stderr)
    assert 12 == acme.size("imports")
