"""The units for systemd, as far as systemd can judge them without running them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "integrations" / "systemd"
PROGRAM = "/opt/talkdesk-etl/bin/talkdesk-etl"
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze is there")


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Service, timer and worker, with a program that is there."""
    copies = []
    for name in ("talkdesk-etl.service", "talkdesk-etl.timer", "talkdesk-etl-worker.service"):
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")
        copies.append(tmp_path / name)
    return copies


def analyze(*arguments: str | Path) -> str:
    done = subprocess.run([str(ANALYZE), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_every_line(units: list[Path]) -> None:
    assert "" == analyze("verify", *units).strip()


def test_little_is_left_to_expose(units: list[Path]) -> None:
    """In systemd's own figure, from 0 to 10."""
    for unit in (units[0], units[2]):
        found = re.search(r"exposure level for \S+: ([\d.]+)", analyze("security", "--offline=true", unit))

        assert found is not None
        assert float(found[1]) < 2


def test_secrets_are_credentials_and_a_busy_account_is_no_failure(units: list[Path]) -> None:
    service, timer, worker = (unit.read_text(encoding="utf-8") for unit in units)

    assert {"client-secret", "database-url"} == set(re.findall(r"^LoadCredential=([\w-]+):", service, re.MULTILINE))
    given = re.findall(r"^Environment=(\w+)=%d/", service, re.MULTILINE)
    assert {"TALKDESK_CLIENT_SECRET_FILE", "DATABASE_URL_FILE"} == set(given)
    assert "SuccessExitStatus=7" in service
    assert "Persistent=true" in timer
    assert {"accounts", "database-url"} == set(re.findall(r"^LoadCredential=([\w-]+):", worker, re.MULTILINE))
