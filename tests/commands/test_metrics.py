"""`status --textfile`: metrics as the node exporter of Prometheus reads them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.account import RESOURCES, Account
from tests.commands.command import Command

RULES = Path(__file__).parents[2] / "docs" / "integrations" / "prometheus" / "rules.yml"
OF_RESOURCE = ("last_success_timestamp_seconds", "rows", "rejected_items")
OF_ACCOUNT = ("coverage_gaps", "incomplete_imports", "last_run_duration_seconds")


def samples(file: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Values with their labels, by metric."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(file.read_text(encoding="utf-8")):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("talkdesk_etl_"), []).append((sample.labels, sample.value))
    return found


@pytest.fixture
def status(synced: Account) -> Any:
    """The command, in the account's warehouse."""
    return Command({"DATABASE_URL": synced.url})


def test_metrics(synced: Account, status: Any, tmp_path: Path) -> None:
    """Every one that is promised, by account and resource, with the values of the views."""
    file = tmp_path / "talkdesk.prom"
    assert 0 == status("status", "-q", "--textfile", str(file)).code
    found = samples(file)

    every = [{"account": "acme", "resource": resource} for resource in RESOURCES]
    for name in OF_RESOURCE:
        assert every == [labels for labels, _ in found[name]]
    for name in OF_ACCOUNT:
        assert [{"account": "acme"}] == [labels for labels, _ in found[name]]
    assert every[:2] == [labels for labels, _ in found["loss_timestamp_seconds"]]
    rows = {labels["resource"]: value for labels, value in found["rows"]}
    assert {resource: float(synced.size(resource)) for resource in RESOURCES} == rows
    age = datetime.now(UTC).timestamp() - found["last_success_timestamp_seconds"][0][1]
    assert 0 <= age < 600
    assert 19 * 86_400 < found["loss_timestamp_seconds"][0][1] - datetime.now(UTC).timestamp() < 20 * 86_400
    assert {"succeeded"} == {labels["outcome"] for labels, value in found["last_run_outcome"] if value == 1}
    assert 1 == found["build_info"][0][1]


def test_the_file_is_whole_and_others_may_read_it(synced: Account, status: Any, tmp_path: Path) -> None:
    """Also where status ends with 9; a place that cannot be written is a 2, and the old file stays."""
    file = tmp_path / "talkdesk.prom"
    file.touch(mode=0o600)
    synced.change("UPDATE talkdesk.sync_runs SET finished_at = now() - interval '9 days'")
    assert 9 == status("status", "-q", "--max-age", "6h", "--textfile", str(file)).code
    assert 0o644 == file.stat().st_mode & 0o777
    assert [file] == [*tmp_path.iterdir()]
    lost = status("status", "-q", "--textfile", str(tmp_path / "nowhere" / "talkdesk.prom"))
    assert (2, "", 1) == (lost.code, lost.out, len(lost.err.splitlines()))


def test_the_rules_ask_for_metrics_that_there_are(status: Any, tmp_path: Path) -> None:
    file = tmp_path / "talkdesk.prom"
    status("status", "-q", "--textfile", str(file))
    asked = set(re.findall(r"talkdesk_etl_(\w+)", " ".join(re.findall("expr: (.*)", RULES.read_text("utf-8")))))

    assert asked <= samples(file).keys()
    assert {"last_success_timestamp_seconds", "loss_timestamp_seconds", "coverage_gaps"} == asked
