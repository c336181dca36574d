"""The product as cron runs it: a process with an environment of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.account import Account

PATIENCE = 30.0
KEPT = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")


class Sync:
    """A command under way; what it says is kept from the screen, and a setting that is empty is not made."""

    def __init__(self, account: Account, *arguments: str, **settings: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, "-m", "etl", *(arguments or ("sync", "--json"))),
            env={name: value for name, value in (environment(account) | settings).items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: str | None = None

    def is_listening(self) -> bool:
        """Whether a SIGTERM is caught by now: before its first line even Python knows no handler."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def send(self, number: int) -> float:
        """Seconds from the signal to the end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.finish()
        return time.monotonic() - began

    def kill(self) -> None:
        """It is gone, in the middle of whatever it did."""
        self.send(signal.SIGKILL)

    def finish(self) -> int:
        """The exit code."""
        if self.said is None:
            self.said, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode

    def answer(self) -> tuple[int, dict[str, Any]]:
        """The exit code, and the only JSON object on stdout."""
        code = self.finish()
        found: dict[str, Any] = json.loads(self.said or "")
        return code, found


def slowness() -> float:
    """How many times as long as on a machine that has nothing else to do."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def environment(account: Account) -> dict[str, str]:
    """The settings of the account, and nothing of ours but what a process needs to run."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    given = account.settings
    return kept | {
        "DATABASE_URL": account.url,
        "TALKDESK_ACCOUNT": account.name,
        "TALKDESK_API_URL": given.api_url,
        "TALKDESK_TOKEN_URL": given.token_url,
        "TALKDESK_CLIENT_ID": "sandbox",
        "TALKDESK_CLIENT_SECRET": "sandbox",
    }


def wait_until(is_so: Callable[[], object]) -> None:
    """Afterwards it is so."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.005)
