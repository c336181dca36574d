"""Where the SQL of a query comes from: an argument, whatever it begins with, a file, or stdin."""

import re
import sys
from pathlib import Path

import click

from etl.commands.help import WithExamples
from etl.errors import UsageError

STREAM = "-"
VALUED = frozenset({"--file", "--param", "--format", "--color"})
OPTION = re.compile(r"--?[A-Za-z][A-Za-z-]*(=.*)?", re.DOTALL)


class WithSql(WithExamples):
    """A command whose argument may begin with a comment of SQL, which is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let what begins with `--` but is written like no option be the argument."""
        if "--" not in args:
            for place, each in enumerate(args):
                after_option = place > 0 and args[place - 1] in VALUED
                if each.startswith("--") and not OPTION.fullmatch(each) and not after_option:
                    args = [*args[:place], *args[place + 1 :], "--", each]
                    break
        return super().parse_args(ctx, args)


def sql_from(given: str | None, file: str | None) -> str:
    """Return the SQL, from one place."""
    if (given is None) == (file is None):
        raise UsageError("query takes SQL, or - for stdin, or --file FILE: one of them")
    name = file if given is None else given
    if file is None and name != STREAM:
        return name or ""
    try:
        content = sys.stdin.buffer.read() if name == STREAM else Path(name or "").read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the file of SQL cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError("the file of SQL is not in UTF-8") from None
