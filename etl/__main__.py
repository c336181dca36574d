"""The first lines of `talkdesk-etl` and of `python -m etl`: from here on a signal leaves no traceback."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # our own handler takes its time to load, and Python's has a traceback

from etl.commands.signals import end_at_once, on_signals  # noqa: E402

on_signals(end_at_once)

from etl.cli import main  # noqa: E402 - it takes its time to load

if __name__ == "__main__":
    sys.exit(main())
