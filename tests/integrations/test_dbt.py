"""The dbt package on a real warehouse: it is parsed, built and tested, and its freshness is that of the runs."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.account import Account
from tests.commands.command import Command
from tests.commands.conftest import settings

PACKAGE = Path(__file__).parents[2] / "docs" / "integrations" / "dbt"

pytestmark = pytest.mark.integration


@dataclass
class Project:
    """The package in a folder of its own, and the warehouse that it reads."""

    dbt: Path
    folder: Path
    variables: dict[str, str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """What dbt came to."""
        return subprocess.run(
            [str(self.dbt), "--no-use-colors", *arguments],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def results(self, file: str) -> dict[str, Any]:
        """What it wrote of its results."""
        found: dict[str, Any] = json.loads((self.folder / "target" / file).read_text(encoding="utf-8"))
        return found


@pytest.fixture
def project(
    acme: Account, tmp_path: Path, environment: Callable[..., Path], bare_environment: dict[str, str]
) -> Project:
    """The package with sources made for the account, which was synced."""
    dbt = environment("dbt", "dbt-core>=1.11,<1.12", "dbt-postgres>=1.9") / "dbt"
    assert 0 == acme.sync().exit_code
    folder = tmp_path / "project"
    shutil.copytree(PACKAGE, folder)
    shutil.copy(folder / "profiles.example.yml", folder / "profiles.yml")
    made = Command(settings(acme))("dbt-sources", "--json", "--out", str(folder / "models" / "sources.yml")).json
    assert ["acme"] == made["accounts"]
    known = psycopg.conninfo.conninfo_to_dict(acme.url)
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname"}
    variables = {variable: str(known[name]) for variable, name in names.items()}
    return Project(dbt, folder, bare_environment | variables | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"})


def test_the_package(acme: Account, project: Project) -> None:
    """Everything is built and every test passes; nothing in it is deprecated."""
    parsed = project.run("parse", "--show-all-deprecations", "--no-partial-parse")
    assert (0, False) == (parsed.returncode, "deprecat" in parsed.stdout.lower()), parsed.stdout
    built = project.run("build")
    assert 0 == built.returncode, built.stdout
    statuses = {
        each["unique_id"].split(".")[0]: each["status"] for each in project.results("run_results.json")["results"]
    }
    assert {"model": "success", "seed": "success", "test": "pass"} == statuses

    meant = acme.rows("SELECT case_id, meant_then, means_now FROM talkdesk_models.cases_with_meaning ORDER BY case_id")
    label = acme.value("SELECT label FROM talkdesk.case_field_paths WHERE field_key = 'drop_down1' AND key = '001'")
    assert [(1, label, label), (2, label, label), (3, None, None)] == [tuple(row.values()) for row in meant]


def test_freshness_is_that_of_the_runs(acme: Account, project: Project) -> None:
    """Fresh after a sync, though no row is; stale where the newest good run is; what tells of runs has none."""

    def judged() -> dict[str, str]:
        project.run("source", "freshness")
        return {
            each["unique_id"].rpartition(".")[2]: each["status"] for each in project.results("sources.json")["results"]
        }

    acme.change("UPDATE talkdesk.imports SET last_changed_at = now() - interval '9 days'")
    first = judged()
    acme.change("UPDATE talkdesk.sync_runs SET finished_at = now() - interval '9 hours'")
    warned = judged()
    acme.change("UPDATE talkdesk.sync_runs SET outcome = 'failed'")
    never = judged()

    assert ({"pass"}, {"warn"}, {"error"}) == ({*first.values()}, {*warned.values()}, {*never.values()})
    assert {"imports", "import_history", "case_field_entries"} <= first.keys()
    assert not {"sync_runs", "sync_health", "freshness", "accounts", "users"} & first.keys()
