"""What the commands' help says beyond their options: the settings, from their models, and the exit codes."""

import textwrap
from collections.abc import Iterator

import click

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


class WithSettings(click.Command):
    """A command whose help ends with the settings; their models are loaded only then, so that other help is quick."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings before the exit codes."""
        formatter.write_paragraph()
        formatter.write("Settings (environment, or a .env file in the working directory):\n")
        formatter.write("\n".join(settings_lines()) + "\n")
        super().format_epilog(ctx, formatter)


def settings_lines() -> Iterator[str]:
    """Yields each setting with what it does and its default, in two columns."""
    from etl.config.described import described  # noqa: PLC0415 - see the class

    known = list(described())
    margin = " " * (max(len(each.variable) for each in known) + 4)
    for variable, meaning, default in known:
        note = f"; {default}" if default == "required" else f" (default {default})" if default else ""
        first = f"  {variable}".ljust(len(margin))
        yield textwrap.fill(
            meaning + note, WIDTH, initial_indent=first, subsequent_indent=margin, break_on_hyphens=False
        )
