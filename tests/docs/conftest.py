"""A warehouse that was synced from the sandbox once for all tests of the documents."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from etl import config
from etl.commands.demo.world import demo_world, go_on_once
from etl.sandbox import running
from etl.sync.accounts import Call, sync_accounts
from etl.sync.run import Options
from etl.warehouse import connections
from tests import postgres


@pytest.fixture(scope="session")
def synced_url(server: postgres.Server) -> Iterator[str]:
    """The URL of a warehouse with the data of a first demo."""
    world = demo_world({}, now=datetime.now(UTC))
    with postgres.clone(server) as url, running(world=world) as sandbox, pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "ACCOUNT": "sandbox",
            "API_URL": sandbox.url,
            "TOKEN_URL": sandbox.token_url,
            "CLIENT_ID": "sandbox",
            "CLIENT_SECRET": "sandbox",
            "USERS": "keep",
        }.items():
            environment.setenv(f"TALKDESK_{name}", value)
        assert _sync(url) == "succeeded"
        go_on_once(world, at=datetime.now(UTC))
        assert _sync(url) == "succeeded"
        yield url


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
