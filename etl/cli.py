"""The command line: arguments in, one answer on stdout, talk on stderr, an exit code.

Commands import what they need when they run, so that `--help` stays quick.
"""

import gc
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from etl import __version__
from etl.commands import talk
from etl.commands.help import EXIT_CODES, GET_HELP, Commands, WithSettings
from etl.commands.options import Duration, account, account_names, common, only, options_of_all
from etl.commands.promises import NOTHING
from etl.commands.signals import Stop, on_signals, raise_stop, stop_on_signals
from etl.commands.statement import WithSql, sql_from
from etl.commands.streams import ReaderLeft, drop_answer, has_begun, open_streams
from etl.commands.terminal import columns, print_json, told
from etl.errors import DONE, FOUND, DatabaseError, EtlError, Interrupted, NotWritten, UsageError, named

if TYPE_CHECKING:
    from etl.config import WarehouseSettings
    from etl.sync.outcome import SyncOutcome
    from etl.sync.run import Options

log = logging.getLogger(__name__)

LIVE_SECONDS = 3.0


def main() -> int:
    """Return the exit code of the command in `sys.argv`; every error becomes one line on stderr."""
    # What is read makes no cycles: looking for them took a fifth of the time of a large sync.
    gc.set_threshold(100_000, 50, 1000)
    open_streams()
    wants_json = "--json" in sys.argv[1:]
    on_signals(lambda *_: os._exit(_report("interrupted", Interrupted.exit_code, wants_json=wants_json)))
    code = _exit_code(wants_json=wants_json)
    with suppress(ReaderLeft, NotWritten):
        sys.stdout.flush()  # what was written before an error
    return code


def _exit_code(*, wants_json: bool) -> int:
    try:
        code = commands.main(prog_name="talkdesk-etl", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        talk.complain_of_use(error)
        _report_json(error.format_message(), UsageError.exit_code, wants_json=wants_json)
        return UsageError.exit_code
    except EtlError as error:
        return _report(str(error), error.exit_code, wants_json=wants_json)
    except (Stop, click.Abort):
        drop_answer()
        return _report("interrupted", Interrupted.exit_code, wants_json=wants_json)
    except ReaderLeft:
        return DONE
    except Exception as error:  # noqa: BLE001 - a traceback might show a secret
        return _report(str(named(error)), EtlError.exit_code, wants_json=wants_json)
    return code if isinstance(code, int) else DONE


def _report(message: str, code: int, *, wants_json: bool) -> int:
    talk.complain(message)
    _report_json(message, code, wants_json=wants_json)
    return code


def _report_json(message: str, code: int, *, wants_json: bool) -> None:
    """Print the command's object with nothing in it, so that who reads its keys finds them; unless one was begun."""
    if wants_json and not has_begun():
        outcome = "interrupted" if code == Interrupted.exit_code else "failed"
        error = {"account": None, "resource": None, "import_id": None, "exit_code": code, "message": message}
        command = next((word for word in sys.argv[1:] if word in commands.commands), "")
        nothing = NOTHING.get(command, {})
        # Not by msgspec: a signal may have come while it is being loaded.
        with suppress(ReaderLeft, NotWritten):
            click.echo(json.dumps({**nothing, "outcome": outcome, "errors": [error]}))


def _talk(*, quiet: bool, verbose: bool) -> None:
    from etl.config import log_format  # noqa: PLC0415

    talk.begin(quiet=quiet, verbose=verbose, form=log_format())


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"{GET_HELP}\n{EXIT_CODES}",
)
@click.version_option(__version__, prog_name="talkdesk-etl")
@options_of_all
@click.pass_context
def commands(ctx: click.Context, /, **given: Any) -> None:
    """Copy Talkdesk bulk imports, their records and errors, and case fields into Postgres, for ever.

    Talkdesk forgets an import after 20 days; the warehouse does not. Start with: talkdesk-etl demo
    """
    ctx.obj = given


@commands.command(cls=WithSettings, epilog=EXIT_CODES)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME",
    shell_complete=account_names,
    help="Only this account (TALKDESK_ACCOUNT, or [accounts.NAME] of TALKDESK_ETL_CONFIG); may be repeated.",
)
@only
@click.option(
    "--from", "from_", metavar="WHEN", help="Backfill: imports created since this day, month, instant (UTC) or age."
)
@click.option(
    "--to",
    metavar="WHEN",
    help="Backfill: imports created until the end of this day or month, or before this instant (UTC) or age.",
)
@click.option("--full", is_flag=True, help="Fetch the records of every listed import again.")
@click.option("--dry-run", is_flag=True, help="Do all but write, and say what would change.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="So many accounts side by side (TALKDESK_JOBS).")
@click.option(
    "--due",
    type=Duration(),
    metavar="AGE",
    help="Only accounts whose last run began longer ago (1h, 30m), the stalest first; one that is at work is skipped.",
)
@click.option(
    "--limit",
    type=Duration(least=timedelta(seconds=1)),
    metavar="AGE",
    help="Stop an account's run after so long (TALKDESK_ACCOUNT_LIMIT); the next goes on.",
)
@click.option("--accept-source", is_flag=True, help="Bind the accounts to the sources that are configured now.")
@common
def sync(**arguments: Any) -> int:
    """Bring the warehouse level with the source."""
    _talk(quiet=arguments["quiet"], verbose=arguments["verbose"])
    from etl.commands.monitor import watched  # noqa: PLC0415
    from etl.instants import parse_window  # noqa: PLC0415

    window = parse_window(arguments["from_"], arguments["to"])
    if window and arguments["only"] not in {None, "imports"}:
        raise UsageError(f"--only {arguments['only']}: --from and --to choose imports by the day of their creation")
    with watched(dry_run=arguments["dry_run"]) as watch:
        outcome = watch.outcome = _sync(arguments, _options(arguments, window))
    return told(outcome.exit_code, lambda: _print_outcome(outcome, arguments))


def _print_outcome(outcome: "SyncOutcome", arguments: dict[str, Any]) -> None:
    if arguments["as_json"]:
        print_json(outcome.to_json())
    elif not arguments["quiet"]:
        from etl.commands.summary import summary  # noqa: PLC0415

        click.echo(summary(outcome, width=columns()))


def _options(arguments: dict[str, Any], window: Any) -> "Options":
    from etl.sync.run import Options  # noqa: PLC0415

    return Options(
        only=arguments["only"],
        window=window,
        full=arguments["full"],
        dry_run=arguments["dry_run"],
        accept_source=arguments["accept_source"],
        due=arguments["due"],
    )


@contextmanager
def _warehouse(settings: "WarehouseSettings") -> Iterator[str]:
    """Open the warehouse; inside, a signal unwinds what is open, for an embedded one wants to be stopped."""
    from etl.warehouse import opening  # noqa: PLC0415

    opening.warn_of_embedded(settings)
    log.debug("warehouse %s", opening.warehouse_name(settings))
    on_signals(raise_stop)
    with opening.warehouse_url(settings) as url:
        yield url


def _sync(arguments: dict[str, Any], options: "Options") -> "SyncOutcome":
    from etl import config  # noqa: PLC0415
    from etl.commands.progress import progress_bar  # noqa: PLC0415
    from etl.sync.accounts import Call, new_run_id, sync_accounts  # noqa: PLC0415
    from etl.warehouse import connections, opening  # noqa: PLC0415

    settings, accounts = config.load(arguments["accounts"])
    if part := options.only or ("imports" if options.window else None):
        accounts = config.having(accounts, part)
    talk.name_run(run_id := new_run_id())
    with _warehouse(settings) as url, progress_bar(quiet=arguments["quiet"]) as show:
        call = Call(
            connections.open_engine(url),
            options,
            keep_rejected=timedelta(days=settings.rejected_keep_days),
            keep_runs=timedelta(days=settings.runs_keep_days),
            stop=stop_on_signals(),
            limit=arguments["limit"] or settings.account_limit,
            show=show,
            run_id=run_id,
        )
        jobs = arguments["jobs"] or settings.jobs
        return sync_accounts(call, accounts, jobs=jobs, warehouse=opening.warehouse_name(settings))


@commands.command()
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it, from the revision of DATABASE_URL on.")
@click.option(
    "--from", "since", metavar="REVISION", help="With --sql: from this revision on (base: from the beginning)."
)
@click.option("--citus", is_flag=True, help="Distribute the tables by account over the workers of a Citus coordinator.")
@click.option("--worker", is_flag=True, help="Also make the queue of the workers, in a schema of its own.")
@common
def migrate(
    *, sql: bool, since: str | None, citus: bool, worker: bool, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Bring the warehouse's schema to head."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.fleet import migrate_queue, require_extra  # noqa: PLC0415
    from etl.warehouse import distributing, migrating  # noqa: PLC0415

    if sql and citus:
        raise UsageError("--citus does not go with --sql: what is distributed depends on what is there")
    if sql and worker:
        raise UsageError("--worker does not go with --sql: Procrastinate brings its own")
    if worker:
        require_extra()
    if since is not None and not sql:
        raise UsageError("--from goes with --sql: what is there already says from where on")
    if sql:
        _print_migration(since or _stored_revision(), as_json=as_json, quiet=quiet)
        return DONE
    with _warehouse(config.load_warehouse()) as url:
        before, after = migrating.migrate(url)
        distributed = distributing.distribute(url, is_asked=citus)
        queue = migrate_queue(url)[1] if worker else None
    if quiet and not as_json:
        return DONE
    was = "" if before == after else f" (was {before or 'not there'})"
    shared = f"; distributed by account: {len(distributed)} tables" if distributed or citus else ""
    queued = f"; the queue is at {queue}" if queue else ""
    return told(
        DONE,
        lambda: (
            print_json({"before": before, "after": after, "distributed": distributed, "queue": queue})
            if as_json
            else click.echo(f"the schema is at {after}{was}{shared}{queued}")
        ),
    )


def _stored_revision() -> str:
    """Where the warehouse is; an embedded one is migrated by itself, so that without DATABASE_URL all is printed."""
    from etl import config  # noqa: PLC0415
    from etl.warehouse import migrating  # noqa: PLC0415

    settings = config.load_warehouse()
    if settings.database_url is None:
        return migrating.BASE
    try:
        with _warehouse(settings) as url:
            return migrating.stored_revision(url)
    except DatabaseError as error:
        raise DatabaseError(f"{error}; or say from which revision on: --from REVISION") from None


def _print_migration(since: str, *, as_json: bool, quiet: bool) -> None:
    from etl.warehouse import migrating  # noqa: PLC0415
    from etl.warehouse.tables import REVISION  # noqa: PLC0415

    script = migrating.migration_sql(since)
    if as_json:
        print_json({"sql": script, "from": since, "to": REVISION})
    elif script:
        click.echo(script)
    elif not quiet:
        click.echo(f"the schema is at {since} already: there is nothing to run", err=True)


@commands.command(epilog=EXIT_CODES)
@account
@only
@click.option(
    "--max-age",
    type=Duration(),
    metavar="DURATION",
    help="Stale is what was last synced longer ago (6h, 90m, 2d) or never.",
)
@click.option(
    "--fail-on",
    metavar="KINDS",
    help="Exit with 9 on any of stale,failed,gaps,rejected,loss (default: stale, if --max-age says what that is).",
)
@click.option(
    "--loss-within",
    type=Duration(),
    metavar="DURATION",
    default="72h",
    show_default=True,
    help="Loss is what the source may forget within this time before it is read.",
)
@click.option(
    "--textfile", metavar="FILE", help="Also write metrics there, for the node exporter of Prometheus (.prom)."
)
@common
def status(
    *,
    accounts: tuple[str, ...],
    only: str | None,
    max_age: timedelta | None,
    fail_on: str | None,
    loss_within: timedelta,
    textfile: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Show how current the warehouse is; reads only the warehouse."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.status import Asked, parse_kinds, read_status  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    asked = Asked(
        fail_on=None if fail_on is None else parse_kinds(fail_on),
        max_age=max_age,
        loss_within=loss_within,
        names=[name.lower() for name in accounts],
        only=only,
    )
    settings = config.load_warehouse()
    with _warehouse(settings) as url, opening.read_only(url) as connection:
        name = opening.warehouse_name(settings)
        found = read_status(connection, asked, configured=config.configured(), warehouse=name)
        if textfile is not None:
            _write_metrics(connection, found, textfile)
    code = FOUND if found.found else DONE
    return told(code, lambda: print_json(found.to_json()) if as_json else found.print(quiet=quiet))


def _write_metrics(connection: Any, found: Any, name: str) -> None:
    from etl.commands.metrics import incomplete_imports, write_metrics  # noqa: PLC0415 - few ask for them

    write_metrics(found, incomplete_imports(connection), name)


@commands.command(cls=WithSql)
@click.argument("sql", metavar="SQL|-", required=False)
@click.option("--file", metavar="FILE", help="The SQL stands in this file; - is stdin, also in place of SQL.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="The value of :NAME; may be repeated.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "jsonl", "tsv", "markdown", "xlsx"]),
    default="table",
    help="Form of the answer.",
)
@click.option("--bom", is_flag=True, help="With csv or tsv: begin with the mark by which Excel knows UTF-8.")
@common
def query(
    *,
    sql: str | None,
    file: str | None,
    given: tuple[str, ...],
    form: str,
    bom: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run one SQL statement against the warehouse, read-only."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.placeholders import parse_parameters  # noqa: PLC0415
    from etl.commands.query import print_query  # noqa: PLC0415

    values, statement = parse_parameters(given), sql_from(sql, file)
    with _warehouse(config.load_warehouse()) as url:
        print_query(url, statement, "object" if as_json else form, values=values, bom=bom)


@commands.command()
@click.argument("name", metavar="[NAME]", required=False)
@common
def tables(*, name: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """List the warehouse's tables, views and functions; with NAME, the columns of one."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.tables import read_table, read_tables  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    with _warehouse(config.load_warehouse()) as url, opening.read_only(url) as connection:
        found = read_table(connection, name) if name is not None else read_tables(connection)
    print_json(found.to_json()) if as_json else found.print()
    return DONE


@commands.command(name="dbt-sources")
@click.option("--out", metavar="FILE", help="Write it there instead of to stdout.")
@common
def dbt_sources(*, out: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Write a sources.yml for dbt: all tables and views, their keys, and how fresh they are by the runs."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.dbt_sources import read_sources, write_sources  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    with _warehouse(config.load_warehouse()) as url, opening.read_only(url) as connection:
        sources = read_sources(connection, config.configured())
    place = None if out == "-" else out
    if as_json:
        told(DONE, lambda: print_json(write_sources(sources, place, show=False)))
    else:
        told(DONE, lambda: write_sources(sources, place, show=True))
    return DONE


@commands.command()
@account
@click.option("--from", "from_", metavar="WHEN", help="Imports created since this day, month, instant or age: 30d.")
@click.option(
    "--to", metavar="WHEN", help="Imports created until the end of this day or month, or before this instant."
)
@click.option("--field", metavar="KEY", help="This case field alone, with its whole tree.")
@click.option(
    "--out", metavar="FILE", default="talkdesk-report.html", show_default=True, help="Where to write it; - is stdout."
)
@common
def report(
    *,
    accounts: tuple[str, ...],
    from_: str | None,
    to: str | None,
    field: str | None,
    out: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Write a page about the imports that anybody can read: one HTML file, which needs nothing else."""
    _talk(quiet=quiet, verbose=verbose)
    _require_extra("report", "jinja2", "altair", "vl_convert")
    from etl import config  # noqa: PLC0415
    from etl.commands.report import write_report  # noqa: PLC0415
    from etl.instants import parse_window  # noqa: PLC0415
    from etl.report import Asked  # noqa: PLC0415

    if out == "-" and as_json:
        raise UsageError("--json says where the page is: it does not go with --out -")
    asked = Asked(accounts, parse_window(from_, to), field)
    with _warehouse(config.load_warehouse()) as url:
        written = write_report(url, asked, out, command=["talkdesk-etl", *sys.argv[1:]])
    if as_json:
        print_json(written.to_json())
    elif not quiet and written.path != "-":
        click.echo(written.path)
    return DONE


@commands.command(epilog=EXIT_CODES)
@click.option("--column", required=True, metavar="NAME", help="Column of the records in which the values are sought.")
@account
@click.option("--dry-run", is_flag=True, help="Count what would be erased, and write nothing.")
@common
def erase(*, column: str, accounts: tuple[str, ...], dry_run: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Erase what tells of a person: the values, one a line, are read from stdin."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands import erase as erasing  # noqa: PLC0415
    from etl.warehouse import connections  # noqa: PLC0415

    settings, values = config.load_warehouse(), erasing.read_values()
    with _warehouse(settings) as url:
        found = erasing.erase(
            connections.open_engine(url),
            column,
            values,
            names=accounts,
            configured={account.name: account for account in config.complete_accounts()},
            dry_run=dry_run,
            stop=stop_on_signals(),
        )

    def say() -> None:
        if as_json:
            print_json(found.to_json())
        elif not quiet:
            click.echo("\n".join(found.lines()) or "nothing was ever synced into this warehouse")

    return told(found.exit_code, say)


@commands.command(name="failed-rows")
@click.argument("name", metavar="IMPORT")
@click.option("--account", metavar="NAME", shell_complete=account_names, help="The account, where several have it.")
@click.option("--errors", is_flag=True, help="Append error_code, error_message and error_field.")
@click.option("--out", metavar="FILE", help="Write it there instead of to stdout.")
@common
def failed_rows(
    *, name: str, account: str | None, errors: bool, out: str | None, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Print the failed rows of an import (id, or file name: the newest) as the CSV that was uploaded."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.failed_rows import read_failed_rows, write_failed_rows  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    with _warehouse(config.load_warehouse()) as url, opening.read_only(url) as connection:
        found = read_failed_rows(connection, name, account=account, with_errors=errors)
        place = None if out == "-" else out
        if as_json and place is None:
            print_json(found.to_json())
            return DONE
        number = write_failed_rows(found, place)
        if as_json:
            print_json({**found.identity(), "path": place, "rows": number})
    return DONE


@commands.command(cls=WithSettings, epilog=EXIT_CODES)
@account
@only
@click.option(
    "--deep",
    is_flag=True,
    help="Name each record and column that differs, and look for damage in what the source no longer has.",
)
@common
def verify(
    *, accounts: tuple[str, ...], only: str | None, deep: bool, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """Compare source and warehouse and list every difference; writes nothing."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.progress import progress_bar  # noqa: PLC0415
    from etl.commands.verification import print_verification  # noqa: PLC0415
    from etl.verify import verify_accounts  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    settings, chosen = config.load(accounts, only)
    with _warehouse(settings) as url, progress_bar(quiet=quiet) as show:
        name = opening.warehouse_name(settings)
        found = verify_accounts(url, chosen, deep=deep, stop=stop_on_signals(), warehouse=name, show=show)
    return told(
        found.exit_code, lambda: print_json(found.to_json()) if as_json else print_verification(found, quiet=quiet)
    )


@commands.command(cls=WithSettings)
@account
@only
@common
def check(*, accounts: tuple[str, ...], only: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Try everything that a first sync needs, and say per item what is wrong and what to do."""
    _talk(quiet=quiet, verbose=verbose)
    from etl.commands.check import Tried, check_everything, print_item  # noqa: PLC0415

    def show(item: Tried) -> None:
        if not as_json and not (quiet and item.ok):
            told(item.exit_code, lambda: print_item(item))

    found = check_everything(accounts, only=only, stop=stop_on_signals(), show=show)
    if quiet and not as_json:
        return found.exit_code
    return told(found.exit_code, lambda: print_json(found.to_json()) if as_json else click.echo(found.verdict()))


@commands.group(invoke_without_command=True, epilog=EXIT_CODES)
@common
def accounts(*, as_json: bool, quiet: bool, verbose: bool) -> int:
    """List the accounts that are configured or stored; rename or forget one in the warehouse."""
    ctx = click.get_current_context()
    if ctx.invoked_subcommand:
        before = ctx.find_root().obj or {}
        ctx.find_root().obj = {**before, "as_json": as_json, "quiet": quiet, "verbose": verbose}
        return DONE
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.accounts import read_accounts  # noqa: PLC0415
    from etl.warehouse import opening  # noqa: PLC0415

    settings = config.load_warehouse()
    with _warehouse(settings) as url, opening.read_only(url) as connection:
        found = read_accounts(connection, config.configured(), opening.warehouse_name(settings))
    if as_json:
        print_json(found.to_json())
    elif not quiet:
        found.print()
    return DONE


@accounts.command()
@click.argument("old", metavar="OLD", shell_complete=account_names)
@click.argument("new", metavar="NEW")
@common
def rename(*, old: str, new: str, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Give all that is stored of an account another name; refused while a sync of it is at work."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.accounts import in_words  # noqa: PLC0415
    from etl.warehouse import connections  # noqa: PLC0415
    from etl.warehouse.accounts import rename_account  # noqa: PLC0415

    name = config.account_name(new)
    with _warehouse(config.load_warehouse()) as url:
        rows = rename_account(connections.open_engine(url), old, name, stop=stop_on_signals())

    def say() -> None:
        if as_json:
            print_json({"from": old, "to": name, "rows": rows})
        elif not quiet:
            click.echo(f"renamed {old} to {name}: {in_words(rows)}")
            click.echo(
                f"now call it {name} in the settings, too: [accounts.{name}] in the file of TALKDESK_ETL_CONFIG (with "
                f'account = "{old}" where that is its name at Talkdesk), or TALKDESK_ACCOUNT'
            )

    return told(DONE, say)


@accounts.command()
@click.argument("name", metavar="NAME", shell_complete=account_names)
@click.option("--yes", is_flag=True, help="Do it; without this, only what would go is said.")
@common
def forget(*, name: str, yes: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Delete all that is stored of an account, for good; refused while a sync of it is at work."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands.accounts import in_words, what_would_go  # noqa: PLC0415
    from etl.warehouse import connections, opening  # noqa: PLC0415
    from etl.warehouse.accounts import forget_account  # noqa: PLC0415

    with _warehouse(config.load_warehouse()) as url:
        if not yes:
            with opening.read_only(url) as connection:
                going = what_would_go(connection, name)
            raise UsageError(f"this would delete all of {name}, for good: {going}; with --yes it is done")
        rows = forget_account(connections.open_engine(url), name, stop=stop_on_signals())

    def say() -> None:
        if as_json:
            print_json({"forgotten": name, "rows": rows})
        elif not quiet:
            click.echo(f"forgot {name}: {in_words(rows)}")
            if name in config.account_names():
                click.echo(f"{name} is still configured: the next sync reads it again")

    return told(DONE, say)


@commands.command(epilog=EXIT_CODES)
@click.argument("action", type=click.Choice(["url", "dump", "restore", "stop"]))
@click.argument("file", required=False)
@common
def embedded(*, action: str, file: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Reach the embedded database: its url for a client, dump FILE, restore FILE (- is a stream), stop.

    It is that of TALKDESK_ETL_HOME, whatever DATABASE_URL says. The url holds until no client was there for a minute.
    """
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands import embedded as actions  # noqa: PLC0415

    if (file is None) == (action in {"dump", "restore"}):
        raise UsageError(f"embedded {action} takes {'a FILE' if file is None else 'no file'}")
    settings = config.load_warehouse()
    home = settings.embedded_home
    if settings.database_url is not None:
        log.warning("this is the embedded database in %s, not the one that DATABASE_URL names", home)
    on_signals(raise_stop)
    if action == "url":
        found = actions.serve_url(home)
        said = found["url"]
    elif action == "stop":
        found = actions.stop_server(home)
        said = f"no server runs in {home}"
    elif action == "restore":
        found = actions.restore_from(home, file or "")
        said = f"restored into {home}"
    elif (dumped := actions.dump_to(home, file or "", as_json=as_json)) is not None:
        found, said = dumped, f"{dumped['bytes']:,} bytes are in {dumped['path']}"
    else:
        return DONE
    if quiet and action != "url" and not as_json:
        return DONE

    def say() -> None:
        print_json(found) if as_json else click.echo(said)

    if action != "url":
        return told(DONE, say)
    say()
    return DONE


@commands.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8800,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@click.option("--imports", type=click.IntRange(0), default=60, show_default=True, help="Imports in the last 20 days.")
@click.option("--records", type=click.IntRange(0), default=40, show_default=True, help="Records of an import, at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed invents the same data.")
@click.option("--per-page", type=click.IntRange(1), default=50, show_default=True, help="Items on a page, at most.")
@click.option(
    "--token-life", type=click.IntRange(1), default=600, show_default=True, help="Seconds that a token lives."
)
@click.option("--no-records-link", is_flag=True, help="Give no import a link to its records: an error file is left.")
@click.option("--client-id", default="sandbox", show_default=True, help="OAuth client that is let in.")
@click.option("--client-secret", default="sandbox", show_default=True, help="Its secret.")
@click.option("--live", is_flag=True, help="Let it move by itself: imports queue, run and finish, options are renamed.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT",
    help="Misbehave, e.g. 503=empty,times=3,path=/records; may be repeated.",
)
@common
def sandbox(*, live: bool, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Serve a local stand-in for the Talkdesk API, with invented data."""
    _talk(quiet=quiet, verbose=verbose)
    _require_extra("sandbox", "uvicorn", "starlette")
    from etl.sandbox import serve  # noqa: PLC0415

    def say(running: Any) -> None:
        given = {"api_url": running.url, "token_url": running.token_url}
        if as_json:
            print_json(given)
        else:
            client = {name: options[name] for name in ("client_id", "client_secret")}
            for name, value in {"account": "sandbox", **given, **client}.items():
                click.echo(f"export TALKDESK_{name.upper()}={shlex.quote(value)}")

    serve(live=LIVE_SECONDS if live else None, ready=lambda running: told(DONE, lambda: say(running)), **options)


def _require_extra(extra: str, *modules: str) -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    if any(find_spec(module) is None for module in modules):
        raise UsageError(f"this needs an extra: pip install 'talkdesk-etl[{extra}]'")


@commands.command(cls=WithSettings, epilog=EXIT_CODES)
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="So many accounts side by side (TALKDESK_JOBS).")
@click.option(
    "--due",
    type=Duration(least=timedelta(seconds=1)),
    metavar="AGE",
    help="Accounts are due when their last run began longer ago; without it 1h.",
)
@common
def worker(*, jobs: int | None, due: timedelta | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Sync what is due or was enqueued, beside other machines, until stopped."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands import fleet  # noqa: PLC0415

    fleet.require_extra()
    settings, _ = config.load()
    with _warehouse(settings) as url:
        worked = fleet.work(url, settings, jobs=jobs, due=due, stop=stop_on_signals())
    return told(DONE, lambda: _print_worked(worked, as_json=as_json, quiet=quiet))


def _print_worked(worked: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(worked)
    elif not quiet:
        click.echo(
            f"stopped after {worked['seconds']:.0f} s: {worked['synced']:,} synced, {worked['failed']:,} failed, "
            f"{worked['skipped']:,} skipped, {worked['interrupted']:,} interrupted"
        )


@commands.command()
@account
@click.option("--from", "from_", metavar="WHEN", help="A backfill: imports created since this day, month or instant.")
@click.option("--to", metavar="WHEN", help="A backfill: until the end of this day or month, or before this instant.")
@click.option("--full", is_flag=True, help="Fetch the records of every listed import again.")
@common
def enqueue(
    *,
    accounts: tuple[str, ...],
    from_: str | None,
    to: str | None,
    full: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Ask the workers for a sync or a backfill of accounts."""
    _talk(quiet=quiet, verbose=verbose)
    from etl import config  # noqa: PLC0415
    from etl.commands import fleet  # noqa: PLC0415
    from etl.instants import parse_window  # noqa: PLC0415

    fleet.require_extra()
    window = parse_window(from_, to)
    wanted = fleet.chosen(accounts, has_window=window is not None)
    with _warehouse(config.load_warehouse()) as url:
        done = fleet.enqueue(url, wanted, window, full=full, stop=stop_on_signals())
    if quiet and not as_json:
        return DONE
    said = f"enqueued: {done['enqueued']:,}; already waiting: {done['already']:,}"
    return told(DONE, lambda: print_json(done) if as_json else click.echo(said))


@commands.command()
@common
def demo(*, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Sync a local sandbox into an embedded Postgres and show the result; nothing to configure."""
    _talk(quiet=quiet or not verbose, verbose=verbose)
    _require_extra("demo", "uvicorn", "starlette", "jinja2", "altair", "vl_convert")
    from etl.commands.demo import run_demo  # noqa: PLC0415

    return run_demo(as_json=as_json, stop=stop_on_signals())
