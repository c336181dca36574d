"""Trying everything that a first sync needs: each item by itself, with what is wrong and what to do about it."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import QueuePool

from etl import config
from etl.commands import stored, terminal
from etl.commands.rehearsal import RUN, guarded_tables, rehearse
from etl.commands.terminal import shown
from etl.config import AccountSettings, WarehouseSettings
from etl.errors import (
    DONE,
    DatabaseError,
    EtlError,
    Interrupted,
    NotFound,
    NotStorable,
    SourceMalformed,
    SourceRefused,
    SourceUnavailable,
    UsageError,
)
from etl.extract import hal, paging
from etl.extract.client import Client
from etl.extract.endpoints import CASE_FIELDS, IMPORTS, RECORDS, USERS, scopes_of
from etl.extract.hal import Page
from etl.threads import parallel
from etl.transform.privacy import names_of_cells
from etl.warehouse import connections, distributing, migrating, opening, rights, sqlstates
from etl.warehouse.session import Warehouse
from etl.warehouse.tables import REVISION

T = TypeVar("T")

OLDEST_POSTGRES = 15
SIGN_WIDTH, WHAT_WIDTH = 4, 20
PATIENCE_SECONDS = 15  # a person waits for the answer
TRIED = (IMPORTS, RECORDS, CASE_FIELDS, USERS)
NEEDS_SCHEMA = ("lock", "writing")
NEEDS_CONNECTION = ("database version", "encoding", "rights", "schema", *NEEDS_SCHEMA)
ADVICE: dict[type[EtlError], str] = {
    SourceUnavailable: "check network, HTTPS_PROXY, TALKDESK_REGION and the addresses; else try later",
    NotFound: "check TALKDESK_API_URL and TALKDESK_REGION",
    SourceMalformed: "check that TALKDESK_API_URL and TALKDESK_TOKEN_URL lead to Talkdesk and to no login page",
    UsageError: "see talkdesk-etl sync --help",
}


class Tried(NamedTuple):
    """One thing that was tried; `exit_code` is that of its failure."""

    what: str
    ok: bool
    message: str
    exit_code: int = DONE

    def to_json(self) -> dict[str, Any]:
        """Return one of the `items` that `check --json` prints."""
        return {"what": self.what, "ok": self.ok, "message": self.message}


@dataclass
class Checks:
    """What was tried so far, in order, and which warehouse it was; the columns that records of each account had."""

    warehouse: str | None = None
    items: list[Tried] = field(default_factory=list)
    columns: dict[str, set[str]] = field(default_factory=dict)
    show: Callable[[Tried], object] = lambda _: None

    @property
    def ok(self) -> bool:
        """True if nothing failed."""
        return all(item.ok for item in self.items)

    @property
    def exit_code(self) -> int:
        """The code of the first failure."""
        return next((item.exit_code for item in self.items if not item.ok), DONE)

    def attempt(self, what: str, call: Callable[[], T], say: Callable[[T], str]) -> T | None:
        """Return what the call returned, or None if it failed; either way it is among the items."""
        try:
            result = call()
        except Interrupted:
            raise
        except EtlError as error:
            self.fail(what, error)
            return None
        self._note(Tried(what, ok=True, message=say(result)))
        return result

    def fail(self, what: str, error: EtlError) -> None:
        """Note the failure among the items, with advice."""
        advice = ADVICE.get(type(error))
        message = f"{error}; {advice}" if advice else str(error)
        self._note(Tried(what, ok=False, message=message, exit_code=error.exit_code))

    def skip(self, *whats: str, blamed: Tried | None = None) -> None:
        """Note what could not be tried among the items; an item is to blame, by default the last one."""
        blamed = blamed or self.items[-1]
        for what in whats:
            message = f"not tried: first {blamed.what} must be right"
            self._note(Tried(what, ok=False, message=message, exit_code=blamed.exit_code))

    def _note(self, item: Tried) -> None:
        self.items.append(item)
        self.show(item)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `check --json` prints."""
        return {"warehouse": self.warehouse, "ok": self.ok, "items": [item.to_json() for item in self.items]}

    def verdict(self) -> str:
        """Return what it all comes to, of which warehouse, and what to do next."""
        failed = sum(not item.ok for item in self.items)
        where = f"warehouse {shown(self.warehouse)}\n" if self.warehouse else ""
        return where + (f"{failed} of {len(self.items)} items failed" if failed else "ready: talkdesk-etl sync")


def print_item(item: Tried) -> None:
    """Print an item on stdout, for people."""
    from rich.table import Table  # noqa: PLC0415 - takes a while, and machines do not need it
    from rich.text import Text  # noqa: PLC0415

    sign = Text("ok", style="green") if item.ok else Text("fail", style="bold red")
    grid = Table(box=None, pad_edge=False, show_header=False)
    for width in (SIGN_WIDTH, max(WHAT_WIDTH, len(item.what)), None):
        grid.add_column(min_width=width, overflow="fold")
    grid.add_row(sign, Text(shown(item.what)), Text(shown(item.message)))
    terminal.console().print(grid)


def check_everything(
    names: Sequence[str] = (),
    *,
    only: str | None = None,
    stop: threading.Event,
    show: Callable[[Tried], object] = lambda _: None,
) -> Checks:
    """Try what a first sync needs, item by item, as far as the items before allow; each is shown as it is known."""
    checks = Checks(show=show)
    found = checks.attempt(
        "settings",
        lambda: config.load(names, only),
        lambda found: ", ".join(f"account {each.name}" for each in found[1]),
    )
    # A secret may come from a pipe, which can be read once: what is right is not read again.
    warehouse, accounts = found or (
        _if_right(config.load_warehouse),
        _if_right(lambda: config.load_accounts(names, only)),
    )
    for settings in accounts or ():
        check_account(checks, settings, stop)
    if warehouse is not None:
        check_warehouse(checks, warehouse, accounts or (), stop)
    else:
        checks.skip("database", *NEEDS_CONNECTION, blamed=checks.items[0])
    return checks


def _if_right(load: Callable[[], T]) -> T | None:
    """Return what was loaded; problems have been reported before."""
    try:
        return load()
    except UsageError:
        return None


# The source


def check_account(checks: Checks, settings: AccountSettings, stop: threading.Event) -> None:
    """Token, scopes, and the first page of each endpoint."""
    name, patience = settings.name, min(settings.retry_seconds, PATIENCE_SECONDS)
    hasty = settings.model_copy(update={"retry_seconds": patience, "timeout": min(settings.timeout, PATIENCE_SECONDS)})
    client = checks.attempt(f"{name}: address", lambda: Client(hasty, stop=stop), lambda client: client.api_url)
    if client is None:
        return
    run = partial(_in_background, stop=stop)
    endpoints = [endpoint for endpoint in TRIED if endpoint.part in settings.parts]
    if checks.attempt(f"{name}: token", lambda: run(client.tokens.token), lambda _: "granted") is None:
        checks.skip(*(f"{name}: {what}" for what in ("scopes", *(endpoint.name for endpoint in endpoints))))
        return
    scopes = scopes_of(settings.parts)
    checks.attempt(
        f"{name}: scopes",
        lambda: require_scopes(client.tokens.missing_scopes),
        lambda _: " ".join(scopes),
    )
    if IMPORTS in endpoints:
        check_imports(checks, name, client, run)
    if CASE_FIELDS in endpoints:
        checks.attempt(f"{name}: case fields", lambda: run(lambda: next(paging.case_field_pages(client))), _size)
    if USERS in endpoints:
        checks.attempt(f"{name}: users", lambda: run(lambda: next(paging.user_pages(client))), _size)


def check_imports(checks: Checks, name: str, client: Client, run: Callable[[Callable[[], Any]], Any]) -> None:
    """Fetch the first page of the imports, and of the records of one."""
    page = checks.attempt(f"{name}: imports", lambda: run(lambda: next(paging.import_pages(client))), _size)
    if page is None:
        checks.skip(f"{name}: records")
    else:
        records = checks.attempt(f"{name}: records", lambda: run(lambda: first_records(client, page)), _size_of_records)
        checks.columns[name] = column_names(records) if records else set()


def column_names(records: Page) -> set[str]:
    """Return the names of columns on a page of records."""
    items = hal.read_items(records.body, prefer=RECORDS.wrappers)
    return {name for item in items if isinstance(item, dict) for name in names_of_cells(item)}


def require_scopes(missing: Collection[str]) -> bool:
    """Raise if a scope was not granted."""
    if missing:
        scopes = " and ".join(sorted(missing))
        raise SourceRefused(f"the client lacks {scopes}: add it to the OAuth client; it acts after some minutes")
    return True


def first_records(client: Client, imports: Page) -> Page | None:
    """Return the first page of the records of an import that has any; a 404 is normal there."""
    items = hal.read_items(imports.body, prefer=IMPORTS.wrappers)
    href = next(filter(None, map(hal.records_href, items)), None)
    try:
        return next(paging.record_pages(client, href)) if href else None
    except NotFound:
        return None


def _size(page: Page) -> str:
    if not page.claimed:
        return "the answer is empty"
    on_all = "" if page.total is None else f", {page.total:,} in all"
    return f"{page.read:,} on the first page{on_all}"


def _size_of_records(page: Page | None) -> str:
    return "no import has records to try just now" if page is None else f"of one import: {_size(page)}"


def _in_background(call: Callable[[], T], stop: threading.Event) -> T:
    """Return what the call returns; waiting for it can be interrupted."""
    return next(parallel(lambda each: each(), [call], workers=1, stop=stop))[0]


# The warehouse


def check_warehouse(
    checks: Checks, settings: WarehouseSettings, accounts: Iterable[AccountSettings], stop: threading.Event
) -> None:
    """Check connection, version, encoding, rights, schema, what is stored; then what a sync does, rolled back."""
    checks.warehouse = _if_right(lambda: opening.warehouse_name(settings))
    opening.warn_of_embedded(settings)
    with ExitStack() as stack:
        engine = checks.attempt("database", lambda: stack.enter_context(_opened(settings)), lambda _: "connected")
        if engine is None:
            checks.skip(*NEEDS_CONNECTION)
            return
        with sqlstates.translated(), engine.connect() as connection:
            checks.attempt("database version", lambda: require_version(connection), "PostgreSQL {}".format)
            if (servers := distributing.cluster(connection)) is not None:
                checks.attempt("citus", servers.in_words, str)
            checks.attempt("encoding", lambda: _encoding(connection), str)
            may = checks.attempt("rights", lambda: require_rights(connection), lambda _: "all that a sync needs")
            schema = checks.attempt("schema", lambda: _at_head(connection), "at revision {}".format)
            for account in accounts if may and schema else ():
                checks.attempt(f"{account.name}: source", partial(stored.source, connection, account), str)
                seen = checks.columns.get(account.name, set())
                if account.hash_columns:
                    checks.attempt(
                        f"{account.name}: hash columns", partial(stored.hash_columns, connection, account, seen), str
                    )
                checks.attempt(f"{account.name}: privacy", partial(stored.privacy, connection, account), str)
        if may and schema:
            check_work(checks, engine, stop)
        else:
            checks.skip(*NEEDS_SCHEMA, blamed=next(item for item in reversed(checks.items) if not item.ok))


def check_work(checks: Checks, engine: Engine, stop: threading.Event) -> None:
    """Try the lock, and a write to every table, as a sync does it; nothing is left of either."""
    warehouse = Warehouse(engine, RUN.account, run_id=RUN.run_id, stop=stop)
    with closing(warehouse):
        if checks.attempt("lock", lambda: _taken(warehouse), lambda _: "held in a session of our own") is None:
            checks.skip("writing")
        else:
            checks.attempt("writing", lambda: _rehearsed(warehouse), lambda _: "every table, rolled back")


def _taken(warehouse: Warehouse) -> bool:
    warehouse.open()
    return True


def _rehearsed(warehouse: Warehouse) -> bool:
    try:
        warehouse.transact(rehearse)
    except (DatabaseError, NotStorable) as error:
        if guarded := warehouse.transact(guarded_tables):
            way_out = f"row level security holds for {', '.join(guarded)}: give the role BYPASSRLS, or switch it off"
            raise DatabaseError(f"{error}; {way_out}") from None
        raise
    if reason := warehouse.reason_to_end:
        raise reason
    return True


@contextmanager
def _opened(settings: WarehouseSettings) -> Iterator[Engine]:
    """Open an engine with one connection, which is kept: a role may have no other."""
    with opening.warehouse_url(settings) as url, sqlstates.translated():
        engine = connections.open_engine(url, pool=QueuePool)
        try:
            engine.connect().close()
            yield engine
        finally:
            engine.dispose()


def _encoding(connection: Connection) -> str:
    """Return what the database is encoded in, and what that means."""
    with sqlstates.translated():
        found = str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())
    loses = "not every character can be kept, and items are rejected for it; UTF8 keeps all"
    return found if found == "UTF8" else f"{found}: {loses}"


def require_version(connection: Connection) -> int:
    """Return the server's major version; raise if it is too old."""
    with sqlstates.translated():
        number = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    major = int(number) // 10_000
    if major < OLDEST_POSTGRES:
        raise DatabaseError(f"PostgreSQL {major} is too old: {OLDEST_POSTGRES} or newer is needed")
    return major


def require_rights(connection: Connection) -> bool:
    """Raise if the role lacks a right, with the statements that give it."""
    with sqlstates.translated():
        lacking = rights.lacking_to_sync(connection)
    if lacking:
        raise DatabaseError(f"the role lacks rights: {'; '.join(lacking)}")
    return True


def _at_head(connection: Connection) -> str:
    with sqlstates.translated():
        migrating.require_head(connection)
    return REVISION
