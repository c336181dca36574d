"""`sync` as people and machines run it: settings in, counts out, an exit code for each way to end."""

import json
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests import postgres
from tests.account import NOTHING, RESOURCES, Account
from tests.commands.command import Command, Finished
from tests.commands.conftest import settings
from tests.expected import require_level

KEYS = {"run_id", "outcome", "dry_run", "accounts", "rejected", "requests", "seconds", "errors"}
ERROR_KEYS = {"account", "resource", "import_id", "exit_code", "message"}
COUNTS = {"read", "inserted", "updated", "unchanged", "removed", "rejected"}
SECRETS = ("planted", "@example.com")
LOCK = "SELECT pg_advisory_lock(hashtextextended('talkdesk-etl acme', 0))"


def require_promised(said: Finished) -> Any:
    """Stdout is one JSON object that has every key of the contract."""
    found = said.json
    assert set(found) >= KEYS
    for counts in found["accounts"].values():
        assert set(RESOURCES) == set(counts)
        assert all(set(one) == COUNTS and {int} == set(map(type, one.values())) for one in counts.values())
    assert all(set(error) == ERROR_KEYS for error in found["errors"])
    assert {int} == {type(found["rejected"]), type(found["requests"])}
    assert isinstance(found["seconds"], float | int)
    return found


# Who runs it

NAMELESS = """
import os, sys
if os.geteuid() == 0:
    os.setreuid(54321, 0)
from etl.__main__ import main
sys.exit(main())
"""


def test_a_user_without_name_and_home(acme: Account) -> None:
    """As in a container: everything works that needs no embedded database."""
    program = ["env", "-u", "HOME", "-u", "XDG_DATA_HOME", sys.executable, "-c", NAMELESS]
    nobody = Command(settings(acme), program)

    assert [0, 0, 0] == [nobody(*arguments).code for arguments in (["sync"], ["status"], ["query", "SELECT 1"])]


# What is said


def test_for_machines(command: Command, acme: Account) -> None:
    """One object on stdout; the talk is on stderr."""
    said = command("sync", "--json")
    found = require_promised(said)

    assert 0 == said.code
    require_level(acme)
    assert ("succeeded", False, 0, []) == tuple(found[key] for key in ("outcome", "dry_run", "rejected", "errors"))
    assert ["acme"] == list(found["accounts"])
    counts = found["accounts"]["acme"]["imports"]
    assert {"read": 12, **NOTHING, "inserted": 12, "unchanged": 0} == counts
    assert [found["run_id"]] == acme.column("SELECT run_id FROM talkdesk.sync_runs")
    assert len(acme.sandbox.requests) - 1 == found["requests"]
    assert 4 == len(said.err.splitlines())


def test_what_it_cost(command: Command, acme: Account) -> None:
    """For each resource: requests and bytes, rows in a second, and where the time went; the ledger says the same."""
    traffic = command("sync", "--json").json["traffic"]["acme"]
    records = traffic["import_records"]
    (row,) = acme.rows("SELECT * FROM talkdesk.sync_run_resources WHERE resource = 'import_records'")

    assert set(RESOURCES) == set(traffic)
    assert (row["requests"], row["bytes"]) == (records["requests"], records["bytes"])
    assert row["read"] / row["seconds"] == pytest.approx(records["rows_per_second"], rel=0.1)
    parts = {f"{part}_seconds" for part in ("fetch", "flatten", "load", "waiting")}
    assert parts <= records.keys() & row.keys()
    assert all(records[part] > 0 for part in ("fetch_seconds", "load_seconds"))


def test_for_people(command: Command) -> None:
    """A table on stdout, a line for each resource on stderr, no colour and no progress bar in either."""
    said = command("sync")

    assert 0 == said.code
    assert [["acme", resource] for resource in RESOURCES] == [line.split()[:2] for line in said.out.splitlines()[1:5]]
    assert said.out.splitlines()[-1].startswith("succeeded in ")
    assert [f"resource={resource}" for resource in RESOURCES] == [line.split()[4] for line in said.err.splitlines()]
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", said.out + said.err)


def test_quiet(command: Command, acme: Account) -> None:
    """From cron nothing is said while nothing is wrong; then what went wrong is."""
    assert (0, "", "") == command("sync", "-q")
    acme.sandbox.faults.use("403,path=/cm/")
    said = command("sync", "--quiet")

    assert 8 == said.code
    assert not said.out
    assert [["ERROR", "resource=case_fields"]] == [line.split()[1:5:3] for line in said.err.splitlines()]
    assert 8 == command("sync", "-q", "--json").json["errors"][0]["exit_code"] * 2


def test_verbose(command: Command) -> None:
    """More is said, on stderr only."""
    said = command("sync", "-v", "--json")

    assert 0 == said.code
    assert {"INFO", "DEBUG"} == {line.split()[1] for line in said.err.splitlines()}
    require_promised(said)


def test_a_dry_run_says_so(command: Command, acme: Account) -> None:
    """People and machines are told that nothing was written."""
    people, machines = command("sync", "--dry-run"), command("sync", "--dry-run", "--json")

    assert "nothing was written" in people.out
    assert require_promised(machines)["dry_run"] is True
    assert 12 == machines.json["accounts"]["acme"]["imports"]["inserted"]
    assert [0, 0] == [acme.size("imports"), acme.size("sync_runs")]


def test_secrets_and_people_stay_unsaid(command: Command, acme: Account) -> None:
    """Whatever goes wrong, neither a secret nor a cell of a record is shown."""
    unlucky = acme.world.add_import(status="COMPLETED_WITH_ERRORS", records=6)
    acme.world.replace_records(unlucky, ["planted-cell", {"id": "1", "data": {"Email": "planted@example.com"}}])
    acme.world.put_field({"name": "planted-field"})
    acme.sandbox.faults.use(f"502,path=/{acme.world.imports()[4].id}/records")
    acme.sandbox.tokens.client = type(acme.sandbox.tokens.client)(client_id="sandbox", client_secret="planted-secret")
    said = [command("sync", "-v", *options, TALKDESK_CLIENT_SECRET="planted-secret") for options in ([], ["--json"])]
    said.append(command("sync", "-v", TALKDESK_CLIENT_SECRET="planted-wrong-secret"))

    assert [8, 8, 4] == [one.code for one in said]
    assert not [secret for one in said for secret in SECRETS if secret in one.out + one.err]


# What is asked for


def test_options(command: Command, acme: Account) -> None:
    """Each option does what its help says."""
    acme.world.add_import(id="old", created_at="2024-05-01T10:00:00Z", records=2)
    window = command("sync", "--from", "2024-05-01", "--to", "2024-05-01", "--json")
    assert ["old"] == acme.column("SELECT import_id FROM talkdesk.imports")
    assert "account=acme the window reaches back more than 20 days" in window.err
    assert 2 == window.json["accounts"]["acme"]["import_records"]["inserted"]
    assert 0 == acme.size("case_fields")

    assert 0 == command("sync", "--only", "case-fields").code
    assert (1, 12) == (acme.size("imports"), acme.size("case_fields"))
    assert 0 == command("sync", "--only", "imports").code
    assert 13 == acme.size("imports")

    acme.change("UPDATE talkdesk.import_records SET status = 'damaged'")
    full = command("sync", "--full", "--json").json["accounts"]["acme"]["import_records"]
    assert (full["read"], 0) == (full["updated"], full["unchanged"])


def test_settings_in_a_file(command: Command, acme: Account, tmp_path: Path) -> None:
    """`.env` in the working directory says the same as the environment, which wins."""
    lines = [f"{name}='{value}'" for name, value in command.variables.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")

    assert 0 == Command()("sync", "-q").code
    assert 0 == Command()("sync", "-q", TALKDESK_ACCOUNT="zenith").code
    assert ["acme", "zenith"] == acme.column("SELECT account FROM talkdesk.sync_runs ORDER BY 1")


def test_the_embedded_warehouse(command: Command, session_folder: Path) -> None:
    """Without a database named there is one all the same; it is migrated by itself and keeps what was synced."""
    home = session_folder / uuid4().hex[:8]
    home.mkdir(mode=0o711)
    del command.variables["DATABASE_URL"]
    command.variables |= {"TALKDESK_ETL_HOME": str(home / "home")}
    try:
        first, second = command("sync", "--json"), command("sync", "--json")

        assert [0, 0] == [first.code, second.code]
        assert f"embedded {home / 'home'}" == first.json["warehouse"]
        assert "DATABASE_URL" not in first.err  # a sandbox is at home there
        assert 12 == first.json["accounts"]["acme"]["imports"]["inserted"]
        assert 12 == second.json["accounts"]["acme"]["imports"]["unchanged"]
    finally:
        postgres.remove(home)


def test_an_account_that_has_imports_alone(command: Command, acme: Account) -> None:
    """Every command keeps to what the account has at all, whatever was read before."""
    command.variables["TALKDESK_RESOURCES"] = "imports"
    checked, synced, verified = command("check"), command("sync", "--json"), command("verify", "--deep")
    status = command("status", "--max-age", "1h", "--json", "--fail-on", "stale,failed,gaps")

    assert [0, 0, 0, 0] == [checked.code, synced.code, verified.code, status.code]
    assert "case" not in checked.out + verified.out
    assert (12, 0) == (acme.size("imports"), acme.size("case_fields"))
    assert ["imports", "import_records"] == list(status.json["accounts"]["acme"]["resources"])
    assert "succeeded" == status.json["accounts"]["acme"]["last_run"]["outcome"]
    assert 2 == acme.value("SELECT count(*) FROM talkdesk.sync_health")
    refused = command("sync", "--only", "case-fields")
    assert 2 == refused.code
    assert "TALKDESK_RESOURCES" in refused.err


# Many accounts


def test_many_accounts(two_accounts: Command, acme: Account) -> None:
    """All of the file, or those that are named."""
    assert ["zenith"] == list(require_promised(two_accounts("sync", "--json", "--account", "zenith"))["accounts"])
    assert {"zenith"} == set(acme.column("SELECT account FROM talkdesk.imports"))
    said = two_accounts("sync", "--json")

    assert 0 == said.code
    assert {"acme", "zenith"} == set(require_promised(said)["accounts"])
    both = two_accounts("sync", "--account", "zenith", "--account", "acme", "--json").json
    assert {"acme", "zenith"} == set(both["accounts"])
    unknown = two_accounts("sync", "--account", "nobody", "--json")
    assert (2, {}) == (unknown.code, require_promised(unknown)["accounts"])
    assert "nobody" in unknown.err


def test_one_of_many_accounts_fails(two_accounts: Command, acme: Account) -> None:
    """The others go on."""
    acme.sandbox.faults.use("401,path=/oauth/token")
    said = two_accounts("sync", "--json")
    found = require_promised(said)

    assert (8, "partial") == (said.code, found["outcome"])
    assert {("acme", 4)} == {(error["account"], error["exit_code"]) for error in found["errors"]}
    assert 12 == found["accounts"]["zenith"]["imports"]["inserted"]
    assert 0 == two_accounts("sync", "--account", "zenith", "-q").code


# How it ends


def nothing_wrong(_: Account) -> None:
    """Nothing."""


def fault(name: str) -> Callable[[Account], object]:
    return lambda acme: acme.sandbox.faults.use(name)


def schema_behind(acme: Account) -> None:
    acme.change("UPDATE talkdesk.alembic_version SET version_num = '0001'")


def reject_an_item(acme: Account) -> None:
    acme.world.put_import({"filename": "no id"})


@pytest.mark.parametrize(
    ("code", "outcome", "what"),
    [
        (0, "succeeded", nothing_wrong),
        (3, "failed", fault("503")),
        (4, "failed", fault("403")),
        (5, "failed", fault("login-page")),
        (6, "failed", schema_behind),
        (8, "partial", fault("503,path=/cm/")),
        (8, "partial", reject_an_item),
    ],
)
def test_how_it_ends(
    command: Command, acme: Account, code: int, outcome: str, what: Callable[[Account], object]
) -> None:
    """Each way has its exit code and its word; machines get their object all the same."""
    what(acme)
    said = command("sync", "--json")
    found = require_promised(said)

    assert (code, outcome) == (said.code, found["outcome"])
    assert ["acme"] == list(found["accounts"])
    errors = [line for line in said.err.splitlines() if line.split()[1] == "ERROR"]
    assert len(found["errors"]) == len(errors)


def test_a_busy_account(command: Command, acme: Account) -> None:
    """Ends with 7 within seconds, a dry run too: beside a sync at work its counts would mean nothing."""
    with psycopg.connect(acme.url) as other:
        other.execute(LOCK)
        said = command("sync", "--dry-run", "--json")

    assert (7, "busy") == (said.code, require_promised(said)["outcome"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(command: Command, acme: Account, number: signal.Signals) -> None:
    """Ends at once with 130, and with its object; the ledger knows."""
    acme.sandbox.faults.use("slow=20,path=/records")
    process = command.start("sync", "--json")
    while not any("/records" in seen.target for seen in list(acme.sandbox.requests)):
        assert process.poll() is None
        time.sleep(0.05)
    sent = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)

    assert 5 > time.monotonic() - sent
    assert 130 == process.returncode
    assert "interrupted" == require_promised(Finished(130, out, err))["outcome"]
    assert "Traceback" not in err
    assert ["interrupted"] == acme.column("SELECT outcome FROM talkdesk.sync_runs")
    assert json.loads(out)["accounts"]["acme"]["imports"]["inserted"] == 12


# Several accounts


def test_side_by_side_and_only_those_due(two_accounts: Command) -> None:
    """The settings say how many; what is skipped is told of, and is no error."""
    first = two_accounts("sync", "--due", "1h", TALKDESK_JOBS="2")
    again = two_accounts("sync", "--due", "1h", "--jobs", "2", "--json")

    assert (0, False) == (first.code, "skipped" in first.out)
    assert (0, {}, ["acme", "zenith"]) == (again.code, again.json["accounts"], again.json["skipped"])
    assert "skipped: 2 account(s)" in two_accounts("sync", "--due", "1h").out


def test_as_long_as_the_settings_say(acme: Account) -> None:
    """What an account did not come to, it says, with the words of the setting."""
    acme.sandbox.faults.use("hang")
    said = Command(settings(acme))("sync", TALKDESK_ACCOUNT_LIMIT="1s")

    assert 3 == said.code
    assert "stopped after 1 s, all that --limit or TALKDESK_ACCOUNT_LIMIT allows" in said.err


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--jobs", "0"], {}, "--jobs"),
        (["--due", "soon"], {}, "--due': a duration is written like"),
        (["--limit", "0s"], {}, "--limit': 1 s is the least"),
        (["--limit", "x"], {}, "--limit': a duration"),
        ([], {"TALKDESK_JOBS": "none"}, "TALKDESK_JOBS"),
        ([], {"TALKDESK_ACCOUNT_LIMIT": "15"}, "TALKDESK_ACCOUNT_LIMIT: should be a duration"),
    ],
)
def test_odd_jobs_and_limits(command: Command, arguments: list[str], variables: dict[str, str], named: str) -> None:
    """Said by name, before anything is asked for."""
    said = command("sync", *arguments, **variables)

    assert (2, True) == (said.code, named in said.err)
