"""A warehouse for all tests of one worker; each test is an account of its own."""

import random
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from etl.extract import retrying
from etl.sandbox import Sandbox, World, running
from etl.warehouse.connections import open_engine
from tests import postgres
from tests.chaos.trial import Trial


@pytest.fixture(scope="session")
def shared_url(server: postgres.Server) -> Iterator[str]:
    """A migrated database that many accounts share."""
    with postgres.clone(server) as url:
        yield url


@pytest.fixture(scope="session")
def shared_engine(shared_url: str) -> Engine:
    """The product's connections to it."""
    return open_engine(shared_url)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Seven imports on three pages, with a few records each on several."""
    with running(world=World(imports=7, records=5, fields=4), per_page=3) as sandbox:
        yield sandbox


@pytest.fixture
def trial(sandbox: Sandbox, shared_url: str, shared_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """An account that was never synced; who retries does not wait long."""
    monkeypatch.setattr(retrying, "_back_off", lambda _: random.uniform(0, 0.04))  # noqa: S311 - jitter
    return Trial(sandbox, shared_engine, shared_url, f"trial-{uuid4().hex[:12]}")
