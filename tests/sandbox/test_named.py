"""Faults in words: every name works, and what is no name says so."""

import pytest

from etl.errors import UsageError
from etl.sandbox import NAMED_FAULTS, Faults, Sandbox, running
from tests.sandbox.caller import Caller


@pytest.mark.parametrize("name", NAMED_FAULTS)
def test_every_name_makes_a_fault(name: str) -> None:
    """A name alone is enough, and it says what it means."""
    rule = Faults().use(name)

    assert rule.times is None
    assert NAMED_FAULTS[name].words


def test_all_of_the_form() -> None:
    """Value, counts and a path, in which commas and equals signs may stand."""
    rule = Faults().use("503=empty,times=3,after=2,every=4,path=page=1,2")

    assert (3, 2, 4, "page=1,2") == (rule.times, rule.after, rule.every, rule.path)


@pytest.mark.parametrize(
    "text",
    ["", "teapot", "503=xml", "slow=fast", "503,times=x", "503,every=0", "503,often=1", "503,times=-1", "503,path=("],
)
def test_what_is_no_fault(text: str) -> None:
    """It is an error of usage that shows the words."""
    with pytest.raises(UsageError, match=r"no fault is called|is not NAME"):
        Faults().use(text)


def test_wrong_words_start_nothing() -> None:
    """A sandbox with a fault that nobody knows does not start."""
    with pytest.raises(UsageError), running(faults=["teapot"]):
        pytest.fail("it started")


@pytest.mark.parametrize("name", sorted(set(NAMED_FAULTS) - {"hang", "reset", "cut", "cut-stream", "slow", "drip"}))
def test_no_fault_breaks_the_sandbox(sandbox: Sandbox, caller: Caller, name: str) -> None:
    """With any fault on, every address gives an answer that somebody meant to give."""
    sandbox.faults.use(name)
    import_id = sandbox.world.imports()[0].id
    paths = ["/bulk-imports/users", f"/bulk-imports/users/{import_id}", "/cm/meta/va/fields", "/nowhere"]
    statuses = {caller.get(path).status_code for path in paths}
    meant = {int(name[:3])} if name[:3].isdigit() else {200, 302, 401, 403, 404}

    assert statuses <= meant
