"""Homes for the tests of the embedded PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from etl.warehouse import embedded
from tests import postgres


@pytest.fixture
def folder(session_folder: Path) -> Iterator[Path]:
    """A folder that the server's account can reach; no server and no file of it is left afterwards."""
    made = session_folder / uuid4().hex[:8]
    made.mkdir()
    made.chmod(0o711)
    yield made
    postgres.remove(made)


@pytest.fixture
def home(folder: Path) -> Path:
    """A home that does not exist yet."""
    return folder / "home"


@pytest.fixture(scope="session")
def started(session_folder: Path) -> Path:
    """A home whose server runs until the session ends, for tests that only look."""
    home = session_folder / "started" / uuid4().hex[:8]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALKDESK_CLIENT_SECRET", "planted-secret")
        patch.setenv("PGPORT", "1")
        embedded.start(home, settings={"work_mem": "7MB", "search_path": '"a b", "c$d"'})
    return home
