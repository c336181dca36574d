"""A warehouse that was synced from the sandbox once for all tests of the documents, and the program to ask it with."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from etl import config
from etl.commands.demo.world import demo_world, go_on_once
from etl.sandbox import running
from etl.sync.accounts import Call, sync_accounts
from etl.sync.run import Options
from etl.warehouse import connections
from etl.warehouse.embedded import binaries
from tests import postgres
from tests.docs import quick


@dataclass(frozen=True)
class Demo:
    """The warehouse of a first demo, and the variables by which the program finds it and its source."""

    server: postgres.Server
    url: str
    variables: dict[str, str]

    @contextmanager
    def copy(self) -> Iterator[dict[str, str]]:
        """The same variables with a warehouse of one's own, which holds the same."""
        with postgres.clone(self.server, of=make_url(self.url).database) as url:
            yield self.variables | {"DATABASE_URL": url}


@dataclass(frozen=True)
class Shell:
    """A shell in which the program is there."""

    path: Path

    def __call__(self, script: str, variables: dict[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
        """What a script came to that ends with the first command that fails."""
        clients = next(binaries.installed()).folder
        known = {
            "PATH": f"{self.path}:/usr/bin:/bin:{clients}",
            "HOME": str(folder),
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            env=known | variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def demo(server: postgres.Server) -> Iterator[Demo]:
    """The data of a first demo, seen twice: an option was renamed in between."""
    world = demo_world({}, now=datetime.now(UTC))
    with ExitStack() as stack:
        url = stack.enter_context(postgres.clone(server))
        sandbox = stack.enter_context(running(world=world))
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        variables = {
            "DATABASE_URL": url,
            "TALKDESK_ACCOUNT": "sandbox",
            "TALKDESK_API_URL": sandbox.url,
            "TALKDESK_TOKEN_URL": sandbox.token_url,
            "TALKDESK_CLIENT_ID": "sandbox",
            "TALKDESK_CLIENT_SECRET": "sandbox",
            "TALKDESK_USERS": "keep",
        }
        for name, value in variables.items():
            environment.setenv(name, value)
        assert _sync(url) == "succeeded"
        go_on_once(world, at=datetime.now(UTC))
        assert _sync(url) == "succeeded"
        yield Demo(server, url, variables)


@pytest.fixture(scope="session")
def synced_url(demo: Demo) -> str:
    """The URL of that warehouse."""
    return demo.url


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell, whose program was loaded once."""
    with quick.program(tmp_path_factory.mktemp("quick")) as path:
        yield Shell(path)


def _sync(url: str) -> str:
    return sync_accounts(
        Call(
            connections.open_engine(url),
            Options(),
            keep_rejected=timedelta(days=1),
            keep_runs=timedelta(days=400),
            stop=threading.Event(),
        ),
        config.load_accounts(),
    ).outcome
