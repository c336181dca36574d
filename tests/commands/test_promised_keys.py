"""What `--json` says of a command that failed before there was anything to say has the keys of its every answer."""

from typing import Any

import pytest
from sqlalchemy import Connection

from etl.commands.check import Checks
from etl.commands.erase import Erasure
from etl.commands.promises import NOTHING
from etl.commands.report import Written
from etl.commands.status import Asked, Status
from etl.fleet.enqueueing import Enqueued
from etl.fleet.working import Worked
from etl.report import Asked as PageAsked
from etl.report import read_report
from etl.sync.outcome import SyncOutcome
from etl.verify.verification import Verification

ANSWERS: dict[str, Any] = {
    "sync": SyncOutcome("a run", dry_run=False),
    "status": Status({}, Asked()),
    "verify": Verification(),
    "check": Checks(),
    "erase": Erasure(dry_run=False, values=0),
}


@pytest.mark.parametrize("command", ANSWERS)
def test_promised_keys(command: str) -> None:
    """The command line knows them by heart: where a signal ends it, the types may be half loaded."""
    said = ANSWERS[command].to_json()

    assert said.keys() - {"outcome", "errors"} == NOTHING[command].keys()


def test_promised_keys_of_a_fleet() -> None:
    assert Worked().to_json().keys() == NOTHING["worker"].keys()
    assert {*Enqueued._fields} == NOTHING["enqueue"].keys()


def test_promised_keys_of_a_page(connection: Connection) -> None:
    assert Written("a page", 1, read_report(connection, PageAsked())).to_json().keys() == NOTHING["report"].keys()
