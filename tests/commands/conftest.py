"""Accounts and warehouses for the program in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests import account, postgres
from tests.account import Account
from tests.commands.command import Command


@pytest.fixture
def bare() -> Command:
    """The program without any setting."""
    return Command()


@pytest.fixture
def command(acme: Account) -> Command:
    """The program with the settings of that account."""
    return Command(settings(acme))


def settings(acme: Account) -> dict[str, str]:
    """The variables by which the program finds an account and its warehouse."""
    return {
        "DATABASE_URL": acme.url,
        "TALKDESK_ACCOUNT": acme.name,
        "TALKDESK_API_URL": acme.sandbox.url,
        "TALKDESK_TOKEN_URL": acme.sandbox.token_url,
        "TALKDESK_CLIENT_ID": "sandbox",
        "TALKDESK_CLIENT_SECRET": "sandbox",
        "TALKDESK_RETRY_SECONDS": "0.3",
    }


@pytest.fixture
def two_accounts(acme: Account, tmp_path: Path) -> Iterator[Command]:
    """The program with a file of two accounts, the second of which is called zenith."""
    with account.running(acme.url, name="zenith", seed=1) as zenith:
        tables = [
            f'[accounts.{one.name}]\napi_url = "{one.sandbox.url}"\ntoken_url = "{one.sandbox.token_url}"\n'
            f'client_id = "sandbox"\nclient_secret = "sandbox"\nretry_seconds = 0.3\n'
            for one in (acme, zenith)
        ]
        file = tmp_path / "accounts.toml"
        file.write_text("\n".join(tables), encoding="utf-8")
        yield Command({"DATABASE_URL": acme.url, "TALKDESK_ETL_CONFIG": str(file)})


@pytest.fixture
def empty_url(server: postgres.Server) -> Iterator[str]:
    """A database in which nothing was ever made."""
    name = sql.Identifier(f"empty_{uuid4().hex[:8]}")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres.at(server.url, name._obj[0])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
