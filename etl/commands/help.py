"""What the commands' help says beyond their options: the settings, from their models, and the exit codes."""

import textwrap
from collections.abc import Iterator

import click

from etl.errors import ISSUES

EXIT_CODES = """
\b
Exit codes:
  0    done
  1    unexpected
  2    wrong use or settings
  3    source unreachable or overloaded, try later
  4    source refused (credentials, scope, address)
  5    source said something that cannot be understood
  6    database unreachable, or schema not at head
  7    another sync of this account holds the lock
  8    partly done
  9    status or verify found what it was asked to look for
  130  interrupted
"""

WIDTH = 100

GET_HELP = f"""
Questions and faults: {ISSUES}. What the tables mean: talkdesk-etl tables.
"""

EXAMPLES: dict[str, dict[str, str]] = {
    "sync": {
        "sync": "new and changed imports, their records and errors, case fields",
        "sync --from 2026-03-01 --to 2026-03-31": "the imports created in March once more",
        "sync --account acme --dry-run": "only say what would change",
        "sync --jobs 8 --due 1h": "many accounts: eight at a time, those that had no turn for an hour",
        "sync -q": "from cron: nothing is said while nothing is wrong",
    },
    "status": {
        "status": "how current the copy is",
        "status -q --max-age 6h": "for a monitor: 9, and a line, when it is older than that",
        "status -q --textfile /var/lib/node_exporter/talkdesk.prom": "for Prometheus, from cron",
    },
    "verify": {"verify": "is it level with the source", "verify --deep": "which records and columns are not"},
    "check": {"check": "before the first sync, or when one fails", "check -v": "with the settings in force"},
    "query": {
        'query "SELECT * FROM import_daily"': "a table",
        'query --format csv "SELECT * FROM imports" > imports.csv': "a file",
        "query --file errors.sql --param day=2026-03-01": "with :day in the file",
        'query --format xlsx "SELECT * FROM import_errors" > errors.xlsx': "for Excel (extra xlsx)",
    },
    "report": {
        "report": "the last thirty days, as a page: talkdesk-report.html",
        "report --from 2026-03 --to 2026-03 --out march.html": "a month",
    },
    "dbt-sources": {"dbt-sources --out models/talkdesk.yml": "in your dbt project, again after each upgrade"},
    "erase": {
        "erase --column Email --dry-run < people.txt": "how much there is of these people",
        "erase --column Email < people.txt": "and then there is nothing",
    },
    "failed-rows": {
        "failed-rows agents.csv > again.csv": "the rows to correct and upload again",
        "failed-rows agents.csv --errors": "with what is wrong with each",
    },
    "accounts": {
        "accounts": "what is configured, and what is stored",
        "accounts rename acme acme-eu": "all that is stored of it, under another name",
        "accounts forget acme": "what would go; with --yes it goes",
    },
    "tables": {"tables": "what there is", "tables imports": "what its columns mean"},
    "embedded": {
        'embedded dump - | pg_restore -O -d "$DATABASE_URL"': "move to a server",
        "embedded stop": "end it, whoever is connected",
    },
    "migrate": {"migrate": "after each upgrade", "migrate --sql > upgrade.sql": "for a DBA to run"},
    "worker": {"worker --jobs 8": "on each of several machines, after migrate --worker"},
    "enqueue": {
        "enqueue": "a sync of every account, by whichever worker is free",
        "enqueue --from 2026-03-01 --to 2026-03-31": "a backfill of March",
    },
    "sandbox": {"sandbox --live": "a source that moves", "sandbox --fault 503=empty,times=3": "one that fails"},
    "demo": {"demo": "twice, to see what has changed"},
}
"""By command: what to type behind `talkdesk-etl`, and what comes of it."""


class WithExamples(click.Command):
    """A command whose help shows how it is used."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples before all else."""
        if examples := EXAMPLES.get(self.name or ""):
            with formatter.section("Examples"):
                formatter.write_dl(
                    [(f"talkdesk-etl {line}", meaning) for line, meaning in examples.items()], col_max=70
                )
        super().format_epilog(ctx, formatter)


class Commands(WithExamples, click.Group):
    """Commands, and groups of them, that show how they are used."""

    command_class = WithExamples
    group_class = type


class WithSettings(WithExamples):
    """A command whose help ends with the settings; their models are loaded only then, so that other help is quick."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings after the options."""
        super().format_options(ctx, formatter)
        formatter.write_paragraph()
        formatter.write("Settings (environment, or a .env file in the working directory):\n")
        formatter.write("\n".join(settings_lines()) + "\n")


def settings_lines() -> Iterator[str]:
    """Yield each setting with what it does and its default, in two columns."""
    from etl.config.described import described  # noqa: PLC0415 - see the class

    known = list(described())
    margin = " " * (max(len(each.variable) for each in known) + 4)
    for variable, meaning, default in known:
        note = f"; {default}" if default == "required" else f" (default {default})" if default else ""
        first = f"  {variable}".ljust(len(margin))
        yield textwrap.fill(
            meaning + note, WIDTH, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False
        )
