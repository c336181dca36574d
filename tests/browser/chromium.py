"""The browser of the tests: Debian's Chromium, or whichever is there; `python -m tests.browser.chromium` says which."""

import os
import shutil
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""Nothing is asked of anybody; what a page asks for is then all that is asked for."""


def found() -> str | None:
    """The program, None if there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def switches() -> list[str]:
    """Root's Chromium has no sandbox."""
    return [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


if __name__ == "__main__":
    sys.exit(0 if found() else 1)
