"""What people see: at a narrow terminal, in a log file, in the objects of a collector."""

import json
import re

import pytest

from etl.errors import Failure, failure_lines
from tests.account import RESOURCES, Account
from tests.commands.command import Command
from tests.commands.terminal import at_terminal

RED = re.compile(r"\x1b\[(?:\d+;)*(?:31|38;2;249;38;114|38;5;(?:1|9|197))m")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.mark.parametrize("arguments", [("sync",), ("verify",), ("verify", "--deep")])
def test_a_bar_that_leaves_nothing_behind(command: Command, acme: Account, arguments: tuple[str, ...]) -> None:
    """While it works one line tells how far it is; then the answer stands there alone, and fits."""
    if arguments != ("sync",):
        acme.sync()
    acme.sandbox.faults.use("slow=0.5,times=2,path=/records")
    seen = at_terminal(command, *arguments)
    rest = "\n".join(seen.screen)

    assert 0 == seen.code
    assert re.search(r"acme import_records .*[0-9]+/12.* rows/s", seen.raw)
    assert not RED.search(seen.raw)
    assert "rows/s" not in rest
    assert "INFO" not in seen.raw
    assert "sync" not in arguments or (
        ["resource", *RESOURCES, "succeeded"] == [line.split()[0] for line in seen.screen]
    )
    assert "sync" not in arguments or 60 >= max(map(len, seen.screen[:-1]))


def test_what_is_wrong_stands_above(command: Command, acme: Account) -> None:
    """A failure is said once, and the bar does not run through it."""
    acme.sandbox.faults.use("403,path=/cm/")
    seen = at_terminal(command, "sync", columns=120)

    assert 8 == seen.code
    assert seen.screen[0].startswith("ERROR account=acme resource=case_fields GET 127.0.0.1")
    assert 1 == sum(bool(re.search(r"\b403\b", line)) for line in seen.screen)
    assert seen.screen[-1].startswith("partial in ")


def test_an_item_is_shown_as_soon_as_it_is_known(acme: Account, command: Command) -> None:
    """The first ones do not wait for an answer that is slow to come."""
    acme.sandbox.faults.use("hang,path=/cm/")
    with command.start("check") as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split(maxsplit=1) for _ in range(6)]
        process.terminate()

    assert ["acme: imports", "acme: records"] == [what.partition("  ")[0] for _, what in said[4:]]
    assert 130 == process.returncode


def test_lines_of_a_log(command: Command) -> None:
    """Each has its time and the run to which it belongs; one that has none begins without."""
    said = command("sync", "--json")
    run_id = said.json["run_id"]

    assert all(re.match(rf"{TIME} INFO run={run_id} account=acme ", line) for line in said.err.splitlines())
    assert 4 == len(said.err.splitlines())


def test_objects_for_a_collector(command: Command, acme: Account) -> None:
    """Every line is one, what ends the command included."""
    acme.sandbox.faults.use("403,path=/cm/")
    said = command("sync", "--json", TALKDESK_LOG_FORMAT="JSON")
    wrong = command("sync", "--account", "nobody", TALKDESK_LOG_FORMAT="json")
    lines = [json.loads(line) for line in said.err.splitlines()]

    assert {said.json["run_id"]} == {line["run_id"] for line in lines}
    assert ["info", "error"] == sorted({line["level"] for line in lines}, reverse=True)
    assert all(re.fullmatch(TIME, line["time"]) for line in lines)
    assert "--account nobody" in json.loads(wrong.err)["message"]
    assert "--nonsense" in json.loads(command("sync", "--nonsense", TALKDESK_LOG_FORMAT="json").err)["message"]
    assert "TALKDESK_LOG_FORMAT: should be 'text' or 'json'" in command("status", TALKDESK_LOG_FORMAT="xml").err


def test_each_reason_is_said_once() -> None:
    """With the first of those that it befell, and how many there are."""
    busy = [Failure("acme", "import_records", f"i{number}", 3, "given up") for number in range(300)]
    other = [Failure("acme", "import_records", "i7", 5, "no list\x1b"), Failure("acme", None, None, 6, "gone")]
    ended = [Failure(name, None, None, 130, "interrupted") for name in ("b", "c")]

    assert [
        "account=acme resource=import_records imports=300 first=i0 given up",
        "account=acme resource=import_records import=i7 no list\ufffd",
        "account=acme gone",
        "accounts=2 first=b interrupted",
    ] == list(failure_lines([*busy, *other, *ended]))
