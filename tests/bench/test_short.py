"""The bench itself works; how quick anything is, is no matter of a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_short_run_measures_every_scenario_and_leaves_the_truth_in_every_table(
    server_url: str, tmp_path: Path
) -> None:
    """Its page shows the goals, its JSON file holds every measurement, and no run was wrong."""
    command = (sys.executable, "-m", "tests.bench", "--short", "--postgres", server_url, "--output", tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert list(SCENARIOS) == list(dict.fromkeys(each["scenario"] for each in found["measured"]))
    assert "| trees: rows written, one leaf renamed | 1.00 | ≤ 1 | yes |" in (tmp_path / "bench.md").read_text()
