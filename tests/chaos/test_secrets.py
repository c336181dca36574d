"""What must never be said: secrets and people are planted wherever they could come from, and searched for everywhere."""

import base64
import gc
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from etl import auth, cli, embedded, loader, patience, transformer
from etl.errors import DONE, PARTLY_DONE
from etl.rows import ImportRow
from etl.sandbox import Sandbox, World, faults, running, when
from etl.sandbox.wire import Fault
from tests import postgres

SECRET = "pl4nted-cl1ent-s3cret/+=&%41"
PASSWORD = "pl4nted-p4ssword/@:%"
HASH_KEY = "pl4nted-h4sh-key"
PERSON = "jane.planted"
EMAIL = f"{PERSON}@example.com"
PHONE = "+12025550143"
NAME = "Jane Q. Plantagenet"
PEOPLE = (PERSON, PHONE.removeprefix("+"), "Plantagenet")
CELLS = {"Email": EMAIL, "Full Name": NAME, "External Phone Number": PHONE}
RECORD = {"id": EMAIL, "line": 1, "status": "FAILED", "data": CELLS, "Notes": f"call {NAME}"}
ERRORS = [
    {"code": "email_taken", "message": f"{EMAIL} is taken", "description": f"by {NAME}", "more": {"phone": PHONE}},
    f"{EMAIL} is not an address",
    {"code": "c", "fields": [{"name": "Email", "description": f"{EMAIL} is taken", "value": EMAIL}]},
]
README = Path(__file__).parents[2] / "README.md"


class Said(NamedTuple):
    """What the program said, and its exit code."""

    code: int
    text: str


Program = Callable[..., Said]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A source whose data are about somebody."""
    world = World(imports=3, records=3, fields=2)
    world.put_import(
        {"id": "planted", "status": "COMPLETED_WITH_ERRORS", "filename": f"{EMAIL}.csv", "created_by": EMAIL},
        [RECORD | {"errors": ERRORS}, RECORD, EMAIL, [PHONE, NAME]],
    )
    world.put_import({"filename": f"{EMAIL}.csv", "phone": PHONE, "by": NAME})
    world.put_field({"key": "planted", "name": NAME, "dict_list": [{"value": EMAIL}, {"key": "1", "value": PHONE}]})
    with running(world=world, client_secret=SECRET) as sandbox:
        yield sandbox


@pytest.fixture
def loader_url(database_url: str) -> Iterator[str]:
    """The database as a role sees it that has the rights of the README and nothing else, and a password."""
    with roles(database_url) as urls:
        yield urls["talkdesk_loader"]


@pytest.fixture
def reader_url(database_url: str) -> Iterator[str]:
    """The same as the reader."""
    with roles(database_url) as urls:
        yield urls["talkdesk_reader"]


class roles:  # noqa: N801 - used as a function
    """Roles with the rights that the README lists, under names of their own, while the block lasts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.names = {role: f"{role}_{uuid4().hex[:8]}" for role in ("talkdesk_loader", "talkdesk_reader")}

    def __enter__(self) -> dict[str, str]:
        """The URL of each role by its name in the README."""
        (listed,) = re.findall(r"## Rights in the database.*?```sql\n(.*?)```", README.read_text(), re.DOTALL)
        for role, name in self.names.items():
            listed = listed.replace(role, name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            database = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            connection.execute(listed.encode())
            for name in map(sql.Identifier, self.names.values()):
                connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, PASSWORD))
                connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, name))
        return {role: self.url.replace("//postgres:@", f"//{name}:{quote(PASSWORD, safe='')}@") for role, name in self.names.items()}

    def __exit__(self, *_: object) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in map(sql.Identifier, self.names.values()):
                connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
                connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_x(database_url, loader_url):
    print(database_url, loader_url)
    with psycopg.connect(loader_url) as c: print(c.execute("select current_user").fetchall())
    assert 0
