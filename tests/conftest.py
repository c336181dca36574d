"""What every test gets: an environment of its own, and PostgreSQL when asked for."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import pytest
from sqlalchemy import Connection

from tests import postgres

if TYPE_CHECKING:
    from tests.account import Account

# What several tests share asserts as tests do, and should say as much when it fails.
pytest.register_assert_rewrite("tests.account", "tests.chaos", "tests.expected")

FOLDER = pytest.StashKey[Path]()
CLOSING = pytest.StashKey[ExitStack]()

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """One folder for the session: the controller makes it, its workers are told."""
    told = getattr(config, "workerinput", {}).get("postgres")
    config.stash[FOLDER] = folder = Path(told) if told else postgres.make_folder()
    config.stash[CLOSING] = closing = ExitStack()
    if not told:
        closing.callback(postgres.remove, folder)
        closing.callback(postgres.drop_template, folder)
        closing.enter_context(postgres.in_use(folder))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller comes here after its workers have ended."""
    config.stash[CLOSING].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the session's folder is."""
    node.workerinput["postgres"] = str(node.config.stash[FOLDER])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, `.env`, proxy or warehouse of the developer or of another test reaches a test."""
    from etl.config import sources  # noqa: PLC0415 - if it is broken, other tests still run

    sources._dotenv.cache_clear()
    sources.warn_of_unknown.cache_clear()
    for name in os.environ:
        ours = name.startswith(("TALKDESK_", "PG")) or name == "DATABASE_URL"
        if ours or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def session_folder(pytestconfig: pytest.Config) -> Path:
    """A folder of this session that the account of root's server can reach; `tmp_path` is closed to it."""
    return pytestconfig.stash[FOLDER]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests that are marked so on every version of the server."""
    if metafunc.definition.get_closest_marker("every_server") and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", postgres.EVERY, indirect=True, scope="session")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, session_folder: Path) -> postgres.Server:
    """The session's PostgreSQL, of the newest version unless the test asks for others, with its migrated template."""
    return postgres.session_server(session_folder, getattr(request, "param", postgres.NEWEST))


@pytest.fixture(scope="session")
def server_url(server: postgres.Server) -> str:
    """A database of the session's server in which nothing is stored, with the right to create others."""
    return server.url


@pytest.fixture
def database_url(server: postgres.Server) -> Iterator[str]:
    """A migrated database for this test alone, which may commit and connect as it likes."""
    with postgres.clone(server) as url:
        yield url


@pytest.fixture(scope="session")
def worker_database_url(server: postgres.Server) -> Iterator[str]:
    """A migrated database for the tests of one worker; who writes to it, rolls back."""
    with postgres.clone(server) as url:
        yield url


@pytest.fixture
def connection(worker_database_url: str) -> Iterator[Connection]:
    """A connection as the product opens it, inside a transaction that is rolled back after the test.

    A session bound to it takes `join_transaction_mode="create_savepoint"`; other code, `begin_nested()`.
    """
    from etl.warehouse.connections import open_engine  # noqa: PLC0415 - if it is broken, other tests still run

    with open_engine(worker_database_url).connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()


@pytest.fixture
def home(session_folder: Path) -> Iterator[Path]:
    """A home of an embedded database that does not exist yet, in a folder that its account can reach."""
    folder = session_folder / uuid4().hex[:8]
    folder.mkdir()
    folder.chmod(0o711)
    yield folder / "home"
    postgres.remove(folder)


@pytest.fixture
def acme(database_url: str) -> "Iterator[Account]":
    """An account that was never synced."""
    from tests import account  # noqa: PLC0415 - if it is broken, other tests still run

    with account.running(database_url) as acme:
        yield acme


@pytest.fixture
def narrow(server: postgres.Server) -> "Iterator[Account]":
    """An account whose database has the characters of Western Europe only."""
    from etl.warehouse.migrating import migrate  # noqa: PLC0415 - if it is broken, other tests still run
    from tests import account  # noqa: PLC0415 - if it is broken, other tests still run

    with postgres.encoded(server, "WIN1252") as url:
        migrate(url)
        with account.running(url) as narrow:
            yield narrow


@pytest.fixture
def synced(acme: "Account") -> "Account":
    """The same after its first sync."""
    assert acme.sync().exit_code == 0
    return acme
