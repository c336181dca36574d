"""`accounts`: what is configured and stored, and what concerns one account in every table at once."""

import pytest

from etl.commands.accounts import read_accounts
from etl.config import Configured
from etl.warehouse.connections import open_engine
from etl.warehouse.session import LOCK
from etl.warehouse.tables import metadata
from tests.account import Account
from tests.commands.command import Command

TABLES = [table.name for table in metadata.sorted_tables]


@pytest.fixture
def filled(command: Command, acme: Account) -> Account:
    """Two accounts with rows in every table."""
    for name in ("other", "acme"):
        assert 0 == command("sync", "-q", TALKDESK_ACCOUNT=name).code
        for table in TABLES:
            if not acme.column(f"SELECT 1 FROM talkdesk.{table} WHERE account = '{name}' LIMIT 1"):  # noqa: S608
                fill(acme, table, name)
    return acme


def fill(acme: Account, table: str, account: str) -> None:
    """Afterwards the table has a row of the account, whatever its columns are."""
    values = []
    for column in metadata.tables[f"talkdesk.{table}"].c:
        if column.name != "account" and not column.nullable and column.server_default is None:
            kind = column.type.compile()
            value = {"TEXT": "x", "TEXT[]": "{x}", "JSONB": "{}", "BOOLEAN": "true"}.get(kind, "1")
            values.append((column.name, "2026-01-01" if kind.startswith("TIMESTAMP") else value))
    names = ", ".join(["account", *(name for name, _ in values)])
    marks = ", ".join(f"'{value}'" for value in (account, *(value for _, value in values)))
    acme.change(f"INSERT INTO talkdesk.{table} ({names}) VALUES ({marks})")  # noqa: S608


def sizes(acme: Account, account: str) -> dict[str, int]:
    """How many rows each table has of the account, by its own road."""
    return {table: acme.value(f"SELECT count(*) FROM talkdesk.{table} WHERE account = %s", account) for table in TABLES}  # noqa: S608


def test_another_name(command: Command, filled: Account) -> None:
    """All rows of all tables bear it, nobody else's; what it was is no account any more, and may be one again."""
    before, others = sizes(filled, "acme"), sizes(filled, "other")
    assert all(before.values())
    said = command("accounts", "rename", "acme", "ZENITH")

    assert (0, "") == (said.code, said.err)
    assert (before, others) == (sizes(filled, "zenith"), sizes(filled, "other"))
    assert not any(sizes(filled, "acme").values())
    assert "[accounts.zenith]" in said.out
    assert 0 == command("verify", TALKDESK_ACCOUNT="zenith").code
    assert {"inserted": 0, "updated": 0} == {
        name: command("sync", "--json", TALKDESK_ACCOUNT="zenith").json["accounts"]["zenith"]["imports"][name]
        for name in ("inserted", "updated")
    }


def test_what_is_refused(command: Command, filled: Account) -> None:
    """An unknown name, a name that is taken or can be none, and no `--yes`; nothing is changed."""
    before = filled.everything()
    for arguments, why in (
        (("rename", "nobody", "new"), "account nobody is not in the warehouse; acme, other is"),
        (("rename", "acme", "other"), "account other is in the warehouse already"),
        (("rename", "acme", "no name"), "the name of an account should be one DNS label"),
        (("forget", "nobody", "--yes"), "account nobody is not in the warehouse"),
        (("forget", "acme"), "12 imports, "),
    ):
        said = command("accounts", *arguments)

        assert (2, "", 1) == (said.code, said.out, len(said.err.splitlines()))
        assert why in said.err
    assert before == filled.everything()


@pytest.mark.parametrize(
    ("held", "arguments"),
    [("acme", ("rename", "acme", "new")), ("new", ("rename", "acme", "new")), ("acme", ("forget", "acme", "--yes"))],
)
def test_while_a_sync_is_at_work(command: Command, filled: Account, held: str, arguments: tuple[str, ...]) -> None:
    """Its lock is respected, also that of the new name."""
    before = sizes(filled, "acme")
    with open_engine(filled.url).connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (LOCK + held,))
        connection.commit()

        assert 7 == command("accounts", *arguments).code
    assert before == sizes(filled, "acme")


def test_the_end_of_an_account(command: Command, filled: Account) -> None:
    """No table has a row of it any more, and nobody else lost one; the next sync begins anew."""
    before, others = sizes(filled, "acme"), sizes(filled, "other")
    said = command("accounts", "--json", "forget", "acme", "--yes")

    assert {"forgotten": "acme", "rows": before} == said.json
    assert others == sizes(filled, "other")
    assert not any(sizes(filled, "acme").values())
    assert 0 == command("sync", "-q").code


def test_the_list(filled: Account) -> None:
    """Configured or stored, by either alone, too."""
    acme = filled.name
    with open_engine(filled.url).connect() as connection:
        found = read_accounts(connection, [Configured(name=acme), Configured(name="new")], "here").to_json()

    assert {"acme": (True, True), "new": (True, False), "other": (False, True)} == {
        name: (account["configured"], account["stored"]) for name, account in found["accounts"].items()
    }
    assert sizes(filled, "other")["imports"] == found["accounts"]["other"]["rows"]["imports"]
    assert found["accounts"]["other"]["last_run"]["outcome"]
    assert found["accounts"]["new"]["last_run"] is None
