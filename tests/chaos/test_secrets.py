"""What must never be said: secrets and people, planted wherever they could come from, and searched for everywhere."""

import base64
import gc
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql
from sqlalchemy import make_url
from starlette.requests import Request
from starlette.responses import Response

from etl import cli
from etl.errors import DONE, PARTLY_DONE, DatabaseError, SourceRefused, UsageError
from etl.extract import auth, retrying, transport
from etl.reading import case_fields, listing
from etl.reading import records as reading
from etl.sandbox import Sandbox, World, running
from etl.sandbox.faults import answers as faulty
from etl.sandbox.faults import rules
from etl.sandbox.faults.stream import Fault, Proceed
from etl.transform import records as transformer
from tests import launcher, postgres

CHECKOUT = Path(__file__).parents[2]
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
ERRORS: list[Any] = [
    {"code": "email_taken", "message": f"{EMAIL} is taken", "description": f"by {NAME}", "more": {"phone": PHONE}},
    f"{EMAIL} is not an address",
    {"code": "c", "fields": [{"name": "Email", "description": f"{EMAIL} is taken", "value": EMAIL}]},
]
ROLES = ("talkdesk_loader", "talkdesk_reader")


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


@contextmanager
def roles(url: str) -> Iterator[dict[str, str]]:
    """The database's URL for each role of the documents, which has the rights listed there and no other."""
    (grants,) = re.findall(r"```sql\n(.*?)```", (CHECKOUT / "docs" / "how-to" / "rights.md").read_text(), re.DOTALL)
    names = {role: f"{role}_{uuid4().hex[:8]}" for role in ROLES}
    for known, name in names.items():
        grants = grants.replace(known, name)
    with psycopg.connect(url, autocommit=True) as owner:
        database = sql.Identifier(owner.info.dbname)
        owner.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        owner.execute(grants.encode())
        for role in map(sql.Identifier, names.values()):
            owner.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, PASSWORD))
            owner.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, role))
        try:
            yield {
                role: make_url(url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
                for role, name in names.items()
            }
        finally:
            for role in map(sql.Identifier, names.values()):
                owner.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


@pytest.fixture
def urls(database_url: str) -> Iterator[dict[str, str]]:
    """The database's URL for each role, and for its owner."""
    with roles(database_url) as urls:
        yield urls | {"owner": database_url}


@pytest.fixture
def settings(urls: dict[str, str], sandbox: Sandbox) -> dict[str, str]:
    """The environment of the program, with a secret in every variable that takes one."""
    return {
        "DATABASE_URL": urls["talkdesk_loader"],
        "TALKDESK_ACCOUNT": "acme",
        "TALKDESK_API_URL": sandbox.url,
        "TALKDESK_TOKEN_URL": sandbox.token_url,
        "TALKDESK_CLIENT_ID": "sandbox",
        "TALKDESK_CLIENT_SECRET": SECRET,
        "TALKDESK_RETRY_SECONDS": "0.2",
        "TALKDESK_TIMEOUT": "5",
    }


@pytest.fixture
def program(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Program]:
    """The program in this process, as main() runs it; what it says on both streams, and what threads say."""
    root, level = logging.getLogger(), logging.getLogger("etl").level
    handlers, signals = root.handlers[:], {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    thresholds = gc.get_threshold()
    monkeypatch.setattr(retrying, "_back_off", lambda _: 0.01)

    def run(*arguments: str, **variables: str) -> Said:
        with monkeypatch.context() as patch:
            for name, value in (settings | variables).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["talkdesk-etl", *arguments])
            capfd.readouterr()
            code = cli.main()
            return Said(code, "".join(capfd.readouterr()))

    yield run
    root.handlers[:] = handlers
    logging.getLogger("etl").setLevel(level)
    gc.set_threshold(*thresholds)
    for number, handler in signals.items():
        signal.signal(number, handler)


UNEXPECTED = r"unexpected RuntimeError at unlucky, line \d+: please report it, https://\S+/issues"


def leaks(text: str, sandbox: Sandbox, *more: str) -> set[str]:
    """Which secrets and which people are in the text, in any spelling."""
    basic = base64.b64encode(f"sandbox:{SECRET}".encode()).decode()
    planted = [SECRET, quote(SECRET, safe=""), basic, PASSWORD, quote(PASSWORD, safe=""), HASH_KEY, *PEOPLE, *more]
    planted += sandbox.tokens._grants
    return {secret for secret in planted if secret.lower() in text.lower()}


def ledger(url: str) -> str:
    """All that the runs have left in their tables, and the reasons of the rejected."""
    with psycopg.connect(url) as connection:
        runs = connection.execute("SELECT t::text FROM talkdesk.sync_runs AS t").fetchall()
        resources = connection.execute("SELECT t::text FROM talkdesk.sync_run_resources AS t").fetchall()
        reasons = connection.execute("SELECT reason FROM talkdesk.rejected_items").fetchall()
        return str([runs, resources, reasons])


def everything(url: str) -> str:
    """Every row of every table."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname !~ '^(pg|sql)_'")
        rows = sql.SQL("SELECT t::text FROM talkdesk.{} AS t")
        each = [connection.execute(rows.format(sql.Identifier(name))).fetchall() for (name,) in tables]
        return str(each)


# Nothing is said


def with_header(name: str, value: str, fault: Fault | None = None) -> Fault:
    """The answer, and one more header."""

    async def changed(request: Request, proceed: Proceed) -> Response:
        response = await (fault(request, proceed) if fault else proceed())
        response.headers[name] = value
        return response

    return changed


ECHO = json.dumps({"code": EMAIL, "message": NAME, "description": PHONE, "fields": [{"name": EMAIL}]}).encode()
PAGE = f'<html>{EMAIL} {PHONE} {NAME} <a href="?token={SECRET}"></html>'.encode()
LINK = f"/bulk-imports/users/{quote(EMAIL)}/records?email={quote(EMAIL)}&phone={quote(PHONE)}&name={quote(NAME)}"


def next_link(before: str = "", after: str = "") -> Fault:
    """An empty page whose next link has the people in it."""
    body = '{"_embedded":{"imports":[]},"_links":{"next":{"href":"' + before + LINK + after + '"}}}'
    return faulty.answer(body.encode())


PLANTED: dict[str, Fault] = {
    **{f"{status} echoes": faulty.answer(ECHO, status=status) for status in (400, 401, 403, 404, 409, 422, 429, 500)},
    "page": faulty.answer(PAGE, media_type="text/html"),
    "page of an error": faulty.answer(PAGE, status=502, media_type="text/html"),
    "broken JSON": faulty.answer(f'{{"email": "{EMAIL}", "phone": {PHONE}, "name": "{NAME}'.encode()),
    "a text": faulty.answer(f'"{EMAIL}"'.encode()),
    "an error in place of items": faulty.answer(ECHO),
    "keys": faulty.answer(f'{{"_embedded": {{"{EMAIL}": [1], "{PHONE}": [2], "{NAME}": {{}}}}}}'.encode()),
    "not UTF-8": faulty.answer(f'{{"email": "{EMAIL}\xff"}}'.encode("latin-1")),
    "NaN": faulty.answer(f'{{"{EMAIL}": NaN}}'.encode()),
    "redirect": with_header("Location", f"https://example.com/?email={EMAIL}&token={SECRET}", faulty.empty(302)),
    "redirect here": with_header("Location", LINK, faulty.empty(302)),
    "redirect nowhere": with_header("Location", f"http://[{EMAIL}", faulty.empty(302)),
    "trace": with_header("platform-tid", f"{EMAIL} {PHONE}", faulty.answer(ECHO, status=500)),
    "trace of a word": with_header("platform-tid", PERSON, faulty.answer(ECHO, status=500)),
    "code of a word": faulty.answer(json.dumps({"code": PERSON, "error": PERSON}).encode(), status=422),
    "keys of a word": faulty.answer(f'{{"_embedded": {{"{PERSON}": [1], "Plantagenet": [2]}}}}'.encode()),
    "content type of a word": with_header("Content-Type", f"text/{PERSON}", faulty.answer(PAGE)),
    "next of a word": faulty.answer(
        f'{{"_embedded":{{"imports":[]}},"_links":{{"next":{{"href":"/{PERSON}/Plantagenet"}}}}}}'.encode()
    ),
    "content type": with_header("Content-Type", f"text/{EMAIL}; name={NAME}", faulty.answer(PAGE)),
    "retry after": with_header("Retry-After", EMAIL, faulty.answer(ECHO, status=429)),
    "encoding": with_header("Content-Encoding", EMAIL, faulty.answer(PAGE)),
    "next": next_link(),
    "next at another host": next_link(f"https://{PERSON}.example.com", ""),
    "next is a template": next_link(after="{email}"),
    "next is no address": next_link(f"mailto:{EMAIL}", ""),
    "next is broken": next_link(f"http://[{EMAIL}", ""),
    "records": faulty.edit(lambda body: re.sub(rb'[^"]*/records"', f'{LINK}"'.encode(), body)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_nothing_is_said(program: Program, sandbox: Sandbox, urls: dict[str, str], name: str) -> None:
    """Whatever the source plants in its answers, headers and links, wherever it does: not at any verbosity."""
    sandbox.faults.add(PLANTED[name])
    verbose = program("sync", "-v", "--full")
    machine = program("sync", "--json")
    sandbox.faults.clear()
    sandbox.faults.add(PLANTED[name], path=rules.RECORDS)
    records = program("sync", "-v", "--full")
    said = verbose.text + machine.text + records.text

    assert "Traceback" not in said
    assert 1 not in {verbose.code, machine.code, records.code}
    assert set() == leaks(said + ledger(urls["owner"]), sandbox)


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["verify"], ["verify", "--deep"], ["status"], ["migrate"]],
    ids=lambda arguments: " ".join(arguments[:2])[:14],
)
def test_other_commands_say_nothing(
    program: Program, sandbox: Sandbox, urls: dict[str, str], arguments: list[str]
) -> None:
    """The rest of the program, on a warehouse full of people, when all is well and when it is not."""
    first = program("sync", "-v")
    assert PARTLY_DONE == first.code
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("UPDATE talkdesk.import_records SET data = data || jsonb_build_object('Email', 'x')")
        connection.execute("UPDATE talkdesk.imports SET filename = 'x'")
    said = [program(*arguments, "-v"), program(*arguments, "--json")]
    sandbox.faults.add(faulty.answer(ECHO, status=403))
    said += [program(*arguments, "-v"), program(*arguments, "--json")]
    text = "".join(each.text for each in said)

    assert "Traceback" not in text
    assert set() == leaks(text, sandbox)


@pytest.mark.parametrize("name", [name for name in PLANTED if "echoes" in name or "page" in name or "redirect" in name])
def test_tokens_are_asked_for_in_silence(program: Program, sandbox: Sandbox, name: str) -> None:
    """Who refuses a token may echo the request."""
    echo = f'{{"error":"{EMAIL}","error_description":"{SECRET} {EMAIL}","access_token":"{SECRET}\\n"}}'.encode()
    for fault in (PLANTED[name], faulty.answer(echo, status=401), faulty.answer(echo)):
        sandbox.faults.clear()
        sandbox.faults.add(fault, path=rules.TOKEN)
        said = program("sync", "-v")

        assert said.code in {3, 4, 5}
        assert set() == leaks(said.text, sandbox)


def test_wrong_secrets_are_not_repeated(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """Nor are those that stand in the wrong place."""
    url = urls["talkdesk_loader"]
    wrong: list[dict[str, str]] = [
        {"TALKDESK_CLIENT_SECRET": f"{SECRET}-wrong"},
        {"TALKDESK_CLIENT_SECRET": f"{SECRET}\u00e9"},
        {"TALKDESK_CLIENT_SECRET_FILE": SECRET},
        {"TALKDESK_PRIVATE_KEY_FILE": SECRET},
        {"TALKDESK_API_URL": f"https://sandbox:{quote(SECRET, safe='')}@example.com"},
        {"TALKDESK_HASH_COLUMNS": "Email", "TALKDESK_HASH_KEY": HASH_KEY, "TALKDESK_CONCURRENCY": "x"},
        {"DATABASE_URL": f"mysql://x:{quote(PASSWORD)}@localhost/x"},
        {"DATABASE_URL": f"postgresql://x:{PASSWORD}@localhost:1/x"},
        {"DATABASE_URL": f"postgresql://x:{quote(PASSWORD, safe='')}@localhost:1/x"},
        {"DATABASE_URL": url.replace("talkdesk_loader_", "nobody_")},
        {"DATABASE_URL": f"{url}&sslmode=planted&passfile={quote(PASSWORD, safe='')}"},
    ]
    for variables in wrong:
        said = program("sync", "-v", **variables)

        assert said.code in {2, 3, 4, 6}
        assert set() == leaks(said.text, sandbox)


def test_private_key(
    program: Program, settings: dict[str, str], sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key nor what it signed is shown, whether it is taken, refused or no key at all."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    body = "".join(pem.split("\n")[1:-2])
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    sandbox.tokens.client = replace(sandbox.tokens.client, public_key=public.decode(), key_id="k")
    signed: list[str] = []
    prepare = transport.Transport.prepare

    def remember(sender: transport.Transport, request: requests.Request) -> requests.PreparedRequest:
        signed.extend(re.findall(r"client_assertion=([\w.-]+)", str(request.data)))
        return prepare(sender, request)

    monkeypatch.setattr(transport.Transport, "prepare", remember)
    del settings["TALKDESK_CLIENT_SECRET"]
    settings |= {"TALKDESK_PRIVATE_KEY_FILE": str(tmp_path / "key"), "TALKDESK_KEY_ID": "k"}
    for text in (pem, body, pem.replace("\n", " ")[:-40], f"{pem[:80]}{NAME}"):
        (tmp_path / "key").write_text(text)
        said = program("sync", "-v")

        assert said.code in ({DONE, PARTLY_DONE} if text in {pem, body} else {UsageError.exit_code})
        assert set() == leaks(said.text, sandbox, body[:40], body[-40:], *signed)
    sandbox.tokens.client = replace(sandbox.tokens.client, key_id="another")
    (tmp_path / "key").write_text(pem)
    said = program("sync", "-v")

    assert SourceRefused.exit_code == said.code
    assert 3 == len(signed)
    assert set() == leaks(said.text, sandbox, body[:40], body[-40:], *signed)


# When everything goes wrong


def unlucky(*_: object, **__: object) -> Any:
    """Fails with a message that tells everything."""
    raise RuntimeError(f"{SECRET} {PASSWORD} {EMAIL} {NAME}")


@pytest.mark.parametrize(
    ("module", "function", "code"),
    [
        (listing, "import_row", PARTLY_DONE),
        (transformer.RecordFlattener, "_flatten", PARTLY_DONE),
        (case_fields, "case_field", PARTLY_DONE),
        (reading, "_read_records_once", PARTLY_DONE),
        (auth.TokenProvider, "_granted", 1),
    ],
)
def test_bugs_say_nothing(
    program: Program,
    sandbox: Sandbox,
    urls: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
    code: int,
) -> None:
    """What nobody thought of ends what it struck alone, with a line without values, and is no success."""
    monkeypatch.setattr(module, function, unlucky)
    said = program("sync", "-v")

    assert code == said.code
    assert re.search(UNEXPECTED, said.text)
    assert "Traceback" not in said.text
    assert set() == leaks(said.text + ledger(urls["owner"]), sandbox)
    with psycopg.connect(urls["owner"]) as connection:
        runs = connection.execute("SELECT outcome, error FROM talkdesk.sync_runs").fetchall()
    assert ["partial" if code == PARTLY_DONE else "failed"] == [outcome for outcome, _ in runs]
    assert all(
        re.fullmatch(r"unexpected RuntimeError at unlucky, line \d+: please report it, https://\S+/issues", error)
        for _, error in runs
    )
    monkeypatch.undo()
    assert PARTLY_DONE == program("sync").code


def test_the_database_quotes_rows(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """Its errors have a detail with the whole row in it: nobody gets to read that."""
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("ALTER TABLE talkdesk.import_records ADD CHECK (record_id <> 'jane.planted@example.com')")
    said = program("sync", "-v")

    assert PARTLY_DONE == said.code
    assert "SQLSTATE 23514" in ledger(urls["owner"])
    assert set() == leaks(said.text + ledger(urls["owner"]), sandbox)


def test_a_process_of_its_own(settings: dict[str, str], sandbox: Sandbox, urls: dict[str, str]) -> None:
    """What others on the machine can see of it, and what it leaves on its streams."""
    sandbox.faults.use("slow=0.3")
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "etl", "sync", "-v"],
        env=os.environ | settings | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = set()
    with psycopg.connect(urls["owner"], autocommit=True) as connection:
        while process.poll() is None:
            seen.add(Path(f"/proc/{process.pid}/cmdline").read_text())
            activity = "SELECT application_name FROM pg_stat_activity"
            seen.add(str(connection.execute(activity).fetchall()))
            time.sleep(0.05)
    out, _ = process.communicate()

    assert PARTLY_DONE == process.returncode
    assert "DEBUG" in out
    assert set() == leaks(out + str(seen), sandbox)


# What is written


def test_files_are_private(session_folder: Path, settings: dict[str, str]) -> None:
    """Whatever the umask: what the program makes is for its user alone."""
    folder = session_folder / uuid4().hex[:8]
    folder.mkdir()
    folder.chmod(0o711)
    del settings["DATABASE_URL"]
    try:
        code = subprocess.run(
            [sys.executable, "-m", "etl", "sync", "-q"],
            env=os.environ | settings | {"PYTHONPATH": str(CHECKOUT), "TALKDESK_ETL_HOME": str(folder / "home")},
            umask=0,
            cwd=folder,
            capture_output=True,
            check=False,
        ).returncode
        modes = launcher.modes(folder / "home")

        assert PARTLY_DONE == code
        assert {"home"} == {path.name for path in folder.iterdir()}
        # The account of root's server has to pass through the first folder.
        assert not modes.pop(folder / "home") & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IRGRP)
        assert {} == {path: oct(mode) for path, mode in modes.items() if mode & 0o077}
    finally:
        postgres.remove(folder)


def test_dropped_cells(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """With `drop` no cell reaches a table, nor what errors and rejected records quote of one."""
    world = sandbox.world
    world.put_import({"id": "dropped", "status": "COMPLETED"}, [RECORD | {"id": "r", "errors": ERRORS}, EMAIL, [PHONE]])
    world.forget("planted")
    drop_people_elsewhere(world)
    said = program("sync", TALKDESK_RECORD_DATA="drop")
    stored = everything(urls["owner"])

    assert PARTLY_DONE == said.code
    assert set() == leaks(stored, sandbox)
    assert "email_taken" in stored
    assert program("sync", "--full", "--json", TALKDESK_RECORD_DATA="drop").code == PARTLY_DONE
    assert set() == leaks(everything(urls["owner"]), sandbox)


def test_hashed_cells(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """Hashed columns are the same hash in every run; what quotes them goes; other columns stay."""
    world = sandbox.world
    record = RECORD | {"errors": ERRORS, "data": CELLS | {"Ring Groups": "agents"}}
    world.put_import({"id": "hashed", "status": "COMPLETED"}, [record, EMAIL, {"Email": EMAIL, "Notes": NAME}])
    world.forget("planted")
    drop_people_elsewhere(world)
    hashed = {"TALKDESK_HASH_COLUMNS": "id,Email,Full Name,External Phone Number,Notes", "TALKDESK_HASH_KEY": HASH_KEY}
    said = program("sync", **hashed)
    stored = everything(urls["owner"])

    assert PARTLY_DONE == said.code
    assert set() == leaks(stored, sandbox)
    assert "agents" in stored
    again = program("sync", "--full", "--json", **hashed)
    assert re.search(r'"import_records":{"read":\d+,"inserted":0,"updated":0,"unchanged":\d+,"removed":0', again.text)
    assert set() == leaks(everything(urls["owner"]), sandbox)


def drop_people_elsewhere(world: World) -> None:
    """Only records and their errors are about people."""
    world._imports = [each for each in world._imports if "id" in each.item and "filename" not in each.item]
    world.remove_field("planted")


# Roles


def test_the_loader_needs_no_more_rights(program: Program, sandbox: Sandbox) -> None:
    """With the rights that the documents list a sync does all that it ever does."""
    assert PARTLY_DONE == program("sync").code
    sandbox.world.forget(sandbox.world.imports()[-1].id)
    sandbox.world.remove_field("drop_down1")
    unfinished = next(each.id for each in sandbox.world.imports() if each.item.get("status") == "IN_PROGRESS")
    sandbox.world.work_on_import(unfinished, lines=1)

    assert DONE == program("sync").code
    assert PARTLY_DONE == program("sync", "--full").code
    assert DONE == program("sync", "--from", "2020-01-01").code
    assert DONE == program("sync", "--dry-run").code
    assert DONE == program("verify").code
    assert DONE == program("status").code
    assert DONE == program("check").code


def test_the_loader_cannot_change_the_schema(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """A role without rights to it is told so in one line."""
    with psycopg.connect(urls["owner"]) as connection:
        connection.execute("UPDATE talkdesk.alembic_version SET version_num = '0001'")
    said = program("migrate")

    assert DatabaseError.exit_code == said.code
    assert 1 == said.text.count("\n")
    assert set() == leaks(said.text, sandbox)


COLUMN = {"alembic_version": "version_num"}
WRITES = (
    "INSERT INTO talkdesk.{0} SELECT * FROM talkdesk.{0}",
    "UPDATE talkdesk.{0} SET {1} = {1}",
    "DELETE FROM talkdesk.{0}",
    "TRUNCATE talkdesk.{0}",
    "DROP TABLE talkdesk.{0}",
    "CREATE TABLE talkdesk.mine_{0} ()",
)


def test_the_reader_cannot_write(program: Program, urls: dict[str, str]) -> None:
    """It reads every table and view, of what was rejected all but the items, and changes none."""
    program("sync")
    names = "SELECT relname FROM pg_class WHERE relnamespace = 'talkdesk'::regnamespace AND relkind = ANY(%s)"
    with psycopg.connect(urls["talkdesk_reader"], autocommit=True) as reader:
        tables, views = ([name for (name,) in reader.execute(names, (kinds,)).fetchall()] for kinds in (["r"], ["v"]))
        for table in tables:
            for write in WRITES:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(write.format(table, COLUMN.get(table, "account")).encode())
        for name in {*tables, *views}:
            reader.execute(sql.SQL("SELECT count(*) FROM talkdesk.{}").format(sql.Identifier(name)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT item FROM talkdesk.rejected_items")


def test_the_reader_and_the_program(program: Program, sandbox: Sandbox, urls: dict[str, str]) -> None:
    """It may ask, and is told in one line that it may not sync."""
    program("sync")
    asked = program("query", "SELECT count(*) FROM imports", DATABASE_URL=urls["talkdesk_reader"])
    status = program("status", DATABASE_URL=urls["talkdesk_reader"])
    said = program("sync", "-q", DATABASE_URL=urls["talkdesk_reader"])

    assert [DONE, DONE, DatabaseError.exit_code] == [asked.code, status.code, said.code]
    assert "the role lacks a right: GRANT " in said.text
    assert set() == leaks(said.text, sandbox)
