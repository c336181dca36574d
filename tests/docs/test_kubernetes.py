"""The CronJob knows what each exit code means."""

from pathlib import Path

import yaml

from etl import errors
from etl.errors import DONE, FOUND, PARTLY_DONE

FILE = Path(__file__).parents[2] / "docs" / "integrations" / "kubernetes" / "cronjob.yaml"


def test_every_exit_code_has_a_rule() -> None:
    """But for success, and what only status and verify end with."""
    job = yaml.safe_load(FILE.read_text(encoding="utf-8"))["spec"]["jobTemplate"]["spec"]
    ruled = [
        code for rule in job["podFailurePolicy"]["rules"] for code in rule.get("onExitCodes", {"values": []})["values"]
    ]
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}

    assert sorted({PARTLY_DONE, *codes} - {DONE, FOUND}) == sorted(ruled)
    assert "Never" == job["template"]["spec"]["restartPolicy"]
