"""The program as people run it: in a process of its own, from a folder that is not the checkout."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).parents[2]
WIDE = {"COLUMNS": "100"}


class Finished(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout; anything else there is wrong."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


@dataclass
class Command:
    """The command line with an environment that is known."""

    variables: dict[str, str] = field(default_factory=dict)
    program: Sequence[str] = (sys.executable, "-m", "etl")

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the test, cleaned of every setting by its fixture, and the command's own."""
        return os.environ | {"PYTHONPATH": str(CHECKOUT)} | WIDE | self.variables

    def __call__(self, *arguments: str, **variables: str) -> Finished:
        """What the command came to; nobody is there to answer a question."""
        done = subprocess.run(
            [*self.program, *arguments],
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The command at work."""
        return subprocess.Popen(
            [*self.program, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
