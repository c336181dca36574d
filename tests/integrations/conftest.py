"""Tools of others in environments of their own, made once by pip; without them these tests are skipped by name."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.account import Account

ENVIRONMENTS = Path(__file__).parents[2] / "build" / "environments"


@pytest.fixture(scope="session")
def environment() -> Callable[..., Path]:
    """Give the folder of programs of an environment with these packages; skip the test if it cannot be made."""

    def make(name: str, *packages: str) -> Path:
        folder = ENVIRONMENTS / name
        if not (folder / "ready").exists():
            steps = (
                [sys.executable, "-m", "venv", str(folder)],
                [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages],
            )
            for step in steps:
                done = subprocess.run(step, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"{name} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
            (folder / "ready").touch()
        return folder / "bin"

    return make


@pytest.fixture
def bare_environment(tmp_path: Path) -> dict[str, str]:
    """Variables that any program needs, with a home of its own."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def said_by(variables: dict[str, str], *command: str | Path) -> str:
    """What a command said on stdout that ended well."""
    done = subprocess.run(list(map(str, command)), env=variables, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def several_accounts(acme: Account, folder: Path, *names: str) -> dict[str, str]:
    """The variables by which the program finds these accounts, all of the same source, and their warehouse."""
    file = folder / "accounts.toml"
    file.write_text(
        "\n".join(
            f'[accounts.{name}]\napi_url = "{acme.sandbox.url}"\ntoken_url = "{acme.sandbox.token_url}"\n'
            'client_id = "sandbox"\nclient_secret = "sandbox"\nretry_seconds = 0.3\n'
            for name in names
        ),
        encoding="utf-8",
    )
    return {"DATABASE_URL": acme.url, "TALKDESK_ETL_CONFIG": str(file)}
