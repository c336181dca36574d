"""A running sandbox, and somebody who asks it."""

from collections.abc import Iterator

import pytest

from etl.sandbox import Sandbox, running
from tests.sandbox.caller import NOW, Caller


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Twelve imports on a clock that stands still."""
    with running(imports=12, records=8, now=NOW) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    """Somebody who holds a token."""
    caller = Caller(sandbox)
    with caller.session:
        yield caller
