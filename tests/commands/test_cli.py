"""The command line: help, usage, exit codes, what goes to stdout and what to stderr."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import psycopg
import pytest
from alembic import command as alembic

from etl import __version__, cli, errors
from etl.cli import commands
from etl.commands.help import EXAMPLES
from etl.warehouse.tables import REVISION
from tests.account import Account
from tests.commands.command import CHECKOUT, Command
from tests.commands.terminal import at_terminal
from tests.migrations.test_migrations import turn

GOLDEN = CHECKOUT / "tests" / "golden"
NAMES = sorted(commands.commands)
SCRIPT = Command(program=[str(Path(sys.executable).parent / "talkdesk-etl")])
NOWHERE = "postgresql://loader:planted-password@127.0.0.1:1/warehouse"
SOMEBODY = {"TALKDESK_ACCOUNT": "acme", "TALKDESK_CLIENT_ID": "nobody", "TALKDESK_CLIENT_SECRET": "planted-secret"}
PROMISED = {
    "sync": {"run_id", "warehouse", "outcome", "dry_run", "accounts", "rejected", "requests", "seconds", "errors"},
    "status": {"warehouse", "accounts", "stale", "found"},
    "verify": {"warehouse", "level", "differences"},
    "check": {"warehouse", "ok", "items"},
    "accounts": {"warehouse", "accounts"},
}


# Help


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help(bare: Command, name: str) -> None:
    """A change shows in review: UPDATE_GOLDEN=1 writes it down."""
    said = bare(*filter(None, [name]), "--help")
    golden = GOLDEN / f"help{name and '-'}{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said.out, encoding="utf-8")

    assert (0, "") == (said.code, said.err)
    assert golden.read_text(encoding="utf-8") == said.out
    assert 100 >= max(map(len, said.out.splitlines()))


def test_help_loads_nothing_heavy() -> None:
    """Whoever asks for help, or mistypes, does not wait for network, database and settings."""
    program = "import sys, etl.cli; print(*sys.modules)"
    found = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert set() == {"requests", "sqlalchemy", "psycopg", "alembic", "pydantic"} & set(found.stdout.split())


def test_every_command_takes_the_common_options() -> None:
    """They are said in one and the same way."""
    names = (
        "accounts check dbt-sources demo embedded enqueue erase failed-rows migrate query report sandbox status sync "
        "tables verify worker"
    )
    assert names.split() == NAMES
    for name in NAMES:
        assert {"--json", "--quiet", "--verbose"} <= {
            option for one in commands.commands[name].params for option in one.opts
        }


def test_the_script_and_the_module_are_the_same(bare: Command) -> None:
    """`talkdesk-etl` and `python -m etl` differ in nothing, not even in the help."""
    for arguments in (["--help"], ["sync", "--help"], ["sync", "--json"]):
        assert bare(*arguments) == SCRIPT(*arguments)


def test_version(bare: Command) -> None:
    """One line that names the program."""
    assert (0, f"talkdesk-etl, version {__version__}\n", "") == bare("--version")


def test_exit_codes_in_the_help(bare: Command) -> None:
    """Every class of error has its code there."""
    said = {int(code) for code in re.findall(r"^ +(\d+)  ", bare("--help").out, re.MULTILINE)}
    classes = [getattr(errors, name) for name in dir(errors)]
    codes = {one.exit_code for one in classes if isinstance(one, type) and issubclass(one, errors.EtlError)}

    assert codes | {errors.DONE, errors.PARTLY_DONE, errors.FOUND} == said


@pytest.mark.parametrize("name", NAMES)
def test_every_example_can_be_typed(name: str) -> None:
    """Each is taken by the command's own options."""
    assert EXAMPLES[name]
    for line in EXAMPLES[name]:
        command, *arguments = shlex.split(re.split(" [<>|] ", line)[0])

        assert name == command
        assert name == commands.commands[name].make_context(name, arguments).info_name


def test_the_address_for_faults(bare: Command) -> None:
    """Help, the message that asks for a report, and the package's metadata name the same."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert errors.ISSUES == project["urls"]["Issues"]
    assert errors.ISSUES in bare("--help").out
    assert str(errors.named(ValueError("planted"))).endswith(f": please report it, {errors.ISSUES}")


def test_a_shell_completes(command: Command) -> None:
    """Commands, options, and the accounts that are configured; what is wrong with the settings is not said there."""

    def completed(*words: str, **variables: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        said = command(_TALKDESK_ETL_COMPLETE="bash_complete", **asked, **variables)
        assert not said.err
        return [line.partition(",")[2] for line in said.out.splitlines() if line]

    assert ["status"] == completed("talkdesk-etl", "st")
    assert ["acme"] == completed("talkdesk-etl", "sync", "--account", "a", TALKDESK_ACOUNT="misspelt")
    assert [] == completed("talkdesk-etl", "sync", "--account", "b")
    assert [] == completed("talkdesk-etl", "sync", "--account", "", TALKDESK_ETL_CONFIG="/nowhere")


# Options that every command takes


def test_they_may_stand_before_the_command(command: Command, acme: Account) -> None:
    """And mean the same there."""
    assert (0, "", "") == command("-q", "sync")
    assert "acme" in command("--json", "status").json["accounts"]
    assert 2 == command("--json", "-v", "sync", "--nonsense").json["errors"][0]["exit_code"]
    assert PROMISED["sync"] <= set(command("--color", "never", "--json", "sync", "--nonsense").json)
    assert 12 == acme.size("imports")


def test_quiet_is_the_same_everywhere(command: Command, acme: Account) -> None:
    """Only what is wrong: nothing, or as little as says it."""
    assert command("migrate", "-q") == command("sync", "-q") == command("check", "-q") == (0, "", "")
    assert command("status", "-q", "--max-age", "6h") == command("verify", "-q") == (0, "", "")
    acme.change("UPDATE talkdesk.sync_runs SET finished_at = now() - interval '7 hours'")
    acme.change("UPDATE talkdesk.imports SET filename = 'planted'")

    stale = "stale: acme: imports, import_records, case_fields, case_field_entries last synced 7 h ago\n"
    assert (9, stale, "") == command("status", "-q", "--max-age", "6h")
    assert 9 == command("verify", "-q").code
    assert [["fail", "acme:", "token"]] == [
        line.split()[:3] for line in command("check", "-q", TALKDESK_CLIENT_SECRET="planted").out.splitlines()[:1]
    ]


def test_verbose_names_what_is_in_force(command: Command) -> None:
    """Settings, addresses and the warehouse; of a secret only that there is one."""
    said = command(
        "sync", "-v", TALKDESK_TIMEOUT="7", TALKDESK_CLIENT_SECRET="planted-secret", TALKDESK_RETRY_SECONDS="0"
    )

    for words in (
        "TALKDESK_TIMEOUT=7",
        "TALKDESK_API_URL=http://127",
        "TALKDESK_CLIENT_SECRET=(set)",
        " warehouse /",
    ):
        assert words in said.err
    assert "planted" not in said.err


def test_colour(command: Command) -> None:
    """As asked for; the last word is the nearest."""
    asked = ("query", "SELECT 1", "--color")
    assert "\x1b[" in command(*asked, "always").out
    assert "\x1b" not in command("--color", "always", *asked, "never").out
    shown, plain = (at_terminal(command, *asked, when).raw for when in ("auto", "never"))
    assert "\x1b[" in shown
    assert "\x1b" not in plain


# Wrong use


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: talkdesk-etl"),
        (["nonsense"], "nonsense"),
        (["sync", "--nonsense"], "--nonsense"),
        (["sync", "--only", "records"], "'records' is not one of 'imports', 'case-fields'"),
        (["sync", "extra"], "extra"),
        (["sync", "--from", "tomorrow"], "--from 'tomorrow' is neither a day"),
        (["sync", "--from", "yesterday", "--only", "case-fields"], "--only case-fields"),
        (["sync", "--to", "2024-01", "--only", "case-fields"], "--only case-fields"),
        (["sync", "--from", "2024-02-30"], "--from '2024-02-30' is neither a day"),
        (["sync", "--from", "2024-05-02", "--to", "2024-05-01"], "the window is empty"),
        (["status", "--max-age", "soon"], "duration"),
        (["query"], "SQL"),
        (["query", "--format", "xml", "SELECT 1"], "xml"),
        (["sandbox", "--port", "65536"], "65536"),
        (["sandbox", "--port", "0", "--fault", "nonsense"], "no fault is called 'nonsense'"),
    ],
)
def test_wrong_use(bare: Command, arguments: list[str], words: str) -> None:
    """Ends with 2 and says what is wrong, on stderr alone."""
    said = bare(*arguments)

    assert (2, "") == (said.code, said.out)
    assert words in said.err


@pytest.mark.parametrize("name", ["sync", "status", "verify", "check", "query", "migrate", "demo", "sandbox"])
def test_wrong_use_for_machines(bare: Command, name: str) -> None:
    """One JSON object with what the command promises, and what is wrong."""
    said = bare(name, "--json", "--nonsense")

    assert 2 == said.code
    (error,) = said.json["errors"]
    assert PROMISED.get(name, set()) | {"outcome", "errors"} <= set(said.json)
    assert (2, None, None, None) == tuple(error[key] for key in ("exit_code", "account", "resource", "import_id"))
    assert "--nonsense" in error["message"]
    assert "--nonsense" in said.err


def test_no_settings(bare: Command) -> None:
    """All problems at once, by the names of the variables."""
    said = bare("sync")

    assert (2, "") == (said.code, said.out)
    assert 1 == len(said.err.splitlines())
    for name in ("ACCOUNT", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_SECRET_FILE", "PRIVATE_KEY_FILE", "KEY_ID"):
        assert f"TALKDESK_{name}" in said.err


def test_many_wrong_settings(bare: Command) -> None:
    """Those of the warehouse and of the account together, and no secret among them."""
    wrong = {
        "DATABASE_URL": "mysql://user:planted-password@db/warehouse",
        "TALKDESK_ACCOUNT": "no account",
        "TALKDESK_REGION": "mars",
        "TALKDESK_API_URL": "http://api.example.com",
        "TALKDESK_CLIENT_ID": "client",
        "TALKDESK_CLIENT_SECRET": "planted-secret",
        "TALKDESK_CLIENT_SECRET_FILE": "no/such/file",
        "TALKDESK_CONCURRENCY": "many",
        "TALKDESK_TIMEOUT": "-1",
    }
    said = bare("sync", "--json", **wrong)

    assert 2 == said.code
    assert PROMISED["sync"] <= set(said.json)
    (error,) = said.json["errors"]
    for name in set(wrong) - {"TALKDESK_CLIENT_ID", "TALKDESK_CLIENT_SECRET"}:
        assert name in error["message"]
    assert "planted" not in said.out + said.err


@pytest.mark.parametrize(
    ("name", "url", "code"),
    [
        ("sync", "mysql://loader:planted-password@db/warehouse", 2),
        ("status", "postgresql://loader:planted-password@[db/x", 2),
        *((name, NOWHERE, 6) for name in ("sync", "verify", "status", "migrate", "query")),
    ],
)
def test_a_database_that_cannot_be_used(bare: Command, name: str, url: str, code: int) -> None:
    """A wrong address is wrong use, an address where nobody listens is the database's matter; no password is shown."""
    sql = ["SELECT 1"] if name == "query" else []
    said = bare(name, "--json", *sql, **SOMEBODY, DATABASE_URL=url)

    assert code == said.code
    assert code == said.json["errors"][0]["exit_code"]
    assert PROMISED.get(name, set()) <= set(said.json)
    assert "planted" not in said.out + said.err


# migrate


def test_migrate(bare: Command, empty_url: str) -> None:
    """Before it nothing works and says why; after it, it works; again, it has nothing to do."""
    before = bare("status", DATABASE_URL=empty_url)
    first, second = (bare("migrate", DATABASE_URL=empty_url) for _ in range(2))
    after = bare("status", DATABASE_URL=empty_url)

    assert (6, "") == (before.code, before.out)
    assert "talkdesk-etl migrate" in before.err
    assert [0, 0, 0] == [first.code, second.code, after.code]
    assert [first.out.strip()] == [f"{second.out.strip()} (was not there)"]


def test_migrate_in_sql(bare: Command, empty_url: str) -> None:
    """The SQL that it would run brings an empty database to head, without the program."""
    said = bare("migrate", "--sql")
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(said.out.encode())

    assert (0, "") == (said.code, said.err)
    assert "the schema is at " in bare("migrate", DATABASE_URL=empty_url).out
    assert said.out.strip() == bare("migrate", "--sql", "--json").json["sql"].strip()


def test_migrate_in_sql_from_where_the_warehouse_is(bare: Command, database_url: str) -> None:
    """Only what it lacks; nothing, if it lacks nothing; and without a look, if told so."""
    head = bare("migrate", "--sql", DATABASE_URL=database_url)
    turn(database_url, alembic.downgrade, "0003")
    said, told = bare("migrate", "--sql", DATABASE_URL=database_url), bare("migrate", "--sql", "--from", "0003")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(said.out.encode())

    assert (0, "") == (head.code, head.out)
    assert "nothing to run" in head.err
    assert said == told
    assert (0, "") == (said.code, said.err)
    assert f"the schema is at {REVISION}\n" == bare("migrate", DATABASE_URL=database_url).out


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--sql", "--from", "0815"], 2), (["--from", "0003"], 2), (["--sql"], 6)]
)
def test_migrate_in_sql_from_nowhere(bare: Command, arguments: list[str], code: int) -> None:
    """A revision that nobody knows, one that would mean nothing, and one that cannot be read."""
    said = bare("migrate", *arguments, DATABASE_URL=NOWHERE)

    assert (code, "") == (said.code, said.out)
    assert "--from" in said.err


def test_a_schema_of_another_version(command: Command, acme: Account) -> None:
    """Commands that read or write refuse to run on it."""
    acme.change("UPDATE talkdesk.alembic_version SET version_num = '0001'")

    for arguments in (["sync"], ["status"], ["query", "SELECT 1"], ["verify"]):
        said = command(*arguments)
        assert 6 == said.code
        assert "talkdesk-etl migrate" in said.err + said.out


# status, query, verify


def test_status(command: Command, acme: Account) -> None:
    """How old the copy is, for people, machines and monitors."""
    never = command("status", "--max-age", "6h")
    acme.sync()
    table, machine, monitor = command("status"), command("status", "--json"), command("status", "--max-age", "6h")
    acme.change("UPDATE talkdesk.sync_runs SET finished_at = now() - interval '7 hours'")
    late = command("status", "--max-age", "6h", "--json")

    assert 9 == never.code
    assert (0, "") == (table.code, table.err)
    assert "acme" in table.out
    (found,) = machine.json["accounts"].values()
    assert {"imports", "import_records", "case_fields", "case_field_entries"} == set(found["resources"])
    assert (12, []) == (found["resources"]["imports"]["rows"], found["gaps"])
    assert (0, []) == (monitor.code, machine.json["stale"])
    assert (9, ["acme"]) == (late.code, late.json["stale"])


def test_query(command: Command, acme: Account) -> None:
    """The answer alone is on stdout; nothing is written, and bad SQL is wrong use."""
    acme.sync()
    asked = "SELECT count(*) AS imports FROM imports"

    assert "imports\n12\n" == command("query", asked, "--format", "csv").out
    assert {"imports": 12} in command("query", asked, "--json").json["rows"]
    for sql in ("SELECT nonsense", "DELETE FROM imports"):
        said = command("query", sql, "--json")
        assert (2, {2}) == (said.code, {error["exit_code"] for error in said.json["errors"]})
    assert 12 == acme.size("imports")


def test_verify(command: Command, acme: Account) -> None:
    """Level after a sync; not after damage, which is named without a value."""
    acme.sync()
    level = command("verify", "--json")
    acme.change("UPDATE talkdesk.imports SET filename = 'planted'")
    damaged = command("verify", "--json")

    assert (0, True, []) == (level.code, level.json["level"], level.json["differences"])
    assert (9, False) == (damaged.code, damaged.json["level"])
    assert 12 == len(damaged.json["differences"])
    assert {"account", "resource", "key", "path", "column", "kind"} <= set(damaged.json["differences"][0])
    assert "planted" not in damaged.out


# sandbox


def test_sandbox(bare: Command, database_url: str) -> None:
    """What it prints is the environment with which the program syncs it; a signal ends it well."""
    process = bare.start("sandbox", "--port", "0", "--imports", "3", "--client-secret", "a secret")
    assert process.stdout is not None
    exports = [process.stdout.readline() for _ in range(5)]
    variables = dict(re.findall(r"export (\w+)='?(.*?)'?\n", "".join(exports)))
    said = bare("sync", "--json", DATABASE_URL=database_url, **variables)
    process.send_signal(signal.SIGTERM)

    assert ("", "") == process.communicate(timeout=10)
    assert 0 == process.returncode
    assert 0 == said.code
    assert 3 == said.json["accounts"]["sandbox"]["imports"]["inserted"]


def test_sandbox_for_machines(bare: Command) -> None:
    """One object with its addresses."""
    process = bare.start("sandbox", "--port", "0", "--json")
    assert process.stdout is not None
    addresses = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)

    assert ("", "") == process.communicate(timeout=10)
    assert 0 == process.returncode
    assert {"api_url", "token_url"} == set(addresses)


def test_an_interruption_is_said_without_what_is_being_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal may come in the middle of an import; a module that is half there says nothing for us."""
    monkeypatch.setattr(sys, "argv", ["talkdesk-etl", "verify", "--json"])
    monkeypatch.setitem(sys.modules, "msgspec", None)
    cli._report("interrupted", 130, wants_json=True)

    assert "interrupted" == json.loads(capsys.readouterr().out)["outcome"]
