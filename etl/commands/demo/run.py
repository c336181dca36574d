"""The demo's story: what the warehouse remembers, the sandbox, a sync, and the first look."""

import sys
import threading
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import select

from etl import config
from etl.commands.demo.screen import show_first_look
from etl.commands.demo.world import ACCOUNT, demo_world, go_on_once
from etl.commands.report import PAGE, write_report
from etl.commands.summary import summary
from etl.commands.terminal import console, print_json, told
from etl.config import AccountSettings, WarehouseSettings
from etl.errors import DONE, PARTLY_DONE, UsageError
from etl.report import Asked
from etl.sandbox import Sandbox, running
from etl.sync.accounts import Call, sync_accounts
from etl.sync.outcome import SyncOutcome
from etl.sync.run import Options
from etl.warehouse import connections, opening
from etl.warehouse.tables import imports


def run_demo(*, as_json: bool, stop: threading.Event) -> int:
    """Return the sync's exit code; the answer, for people or as JSON, stands on stdout."""
    settings = config.load_warehouse()
    talk = console(sys.stderr)
    with talk.status("starting PostgreSQL …") as status, opening.warehouse_url(settings) as url:
        known = _known_imports(url)
        status.update("syncing the sandbox …")
        with running(world=demo_world(known, now=datetime.now(UTC))) as sandbox:
            outcome = _sync(url, sandbox, settings, stop)
            if not known and outcome.exit_code == DONE:
                go_on_once(sandbox.world, at=datetime.now(UTC))
                _sync(url, sandbox, settings, stop)
        status.stop()
        code = told(outcome.exit_code, lambda: _answer(url, outcome, as_json=as_json, is_first=not known))
        _write_report(url, as_json=as_json)
        return code


def _known_imports(url: str) -> dict[str, datetime]:
    """Return when the imports of earlier demos were created."""
    mine = select(imports.c.import_id, imports.c.created_at).where(imports.c.account == ACCOUNT)
    with opening.read_only(url) as connection:
        return {row.import_id: row.created_at for row in connection.execute(mine) if row.created_at}


def _sync(url: str, sandbox: Sandbox, settings: WarehouseSettings, stop: threading.Event) -> SyncOutcome:
    client = sandbox.tokens.client
    account = AccountSettings(
        account=ACCOUNT,
        name=ACCOUNT,
        api_url=sandbox.url,
        token_url=sandbox.token_url,
        client_id=client.client_id,
        client_secret=SecretStr(client.client_secret),
        users="keep",
    )
    call = Call(
        connections.open_engine(url),
        Options(accept_source=True),  # each demo's sandbox has a port of its own
        keep_rejected=timedelta(days=settings.rejected_keep_days),
        keep_runs=timedelta(days=settings.runs_keep_days),
        stop=stop,
        limit=settings.account_limit,
    )
    return sync_accounts(call, [account])


def _write_report(url: str, *, as_json: bool) -> None:
    """Write the page and say where it is; where it cannot be, the demo is none the worse for it."""
    try:
        written = write_report(url, Asked(), PAGE, command=["talkdesk-etl", "demo"])
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return
    if not as_json:
        sys.stdout.write(f"\nthe same as a page: {written.path}\n")


def _answer(url: str, outcome: SyncOutcome, *, as_json: bool, is_first: bool) -> None:
    if as_json:
        print_json(outcome.to_json())
    elif outcome.exit_code in {0, PARTLY_DONE}:
        with opening.read_only(url) as connection:
            show_first_look(console(width=None), connection, outcome, is_first=is_first)
    else:
        sys.stdout.write(f"{summary(outcome)}\n")
