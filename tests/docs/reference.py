"""Writing docs/reference/ from the program: what it says of itself is the only source of these pages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import click
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection

from etl import errors
from etl.cli import commands
from etl.commands.help import EXAMPLES, EXIT_CODES
from etl.commands.promises import NOTHING
from etl.commands.tables import Description, read_table, read_tables
from etl.config.described import described

NOTE = "<!-- Written from the program; UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/docs/test_reference.py -->"
EVERYWHERE = {"as_json", "quiet", "verbose", "color"}
"""Options of every command."""

BY_ACCOUNT = {"accounts", "compared", "traffic", "stored_otherwise"}
BY_RESOURCE = {"imports", "import_records", "case_fields", "case_field_entries", "users"}
"""Keys of JSON that are names of the reader's own, and those that are the same for each resource."""

KINDS: dict[type, str] = {
    bool: "true or false",
    int: "number",
    float: "number",
    str: "text",
    type(None): "may be null",
    dict: "object",
    list: "list",
}


MEANINGS = {
    "run_id": "as in `sync_runs`, and in each line of the log",
    "warehouse": "host and database, or the folder of the embedded one",
    "outcome": "`succeeded`, `partial`, `failed`, `busy`, `interrupted`; of a run also `running`, `died`",
    "read": "what was fetched",
    "inserted": "rows that were not there",
    "updated": "rows that differed, or came back",
    "unchanged": "rows that said the same",
    "removed": "what a complete listing lacks; of imports, those that expired",
    "rejected": "what could not be stored: `rejected_items`",
    "skipped": "accounts that were not due, or at work elsewhere",
    "stored_otherwise": "by account, records stored under other privacy settings",
    "errors": "each failure, with the exit code that it would have alone",
    "NAME.errors": "",
    "NAME.rejected": "",
    "last_success_at": "end of the last good sync",
    "hours_until_loss": "until the source forgets what was not read",
    "gaps": "`from`, `to`: an import may have come and gone unseen",
    "stale": "accounts older than `--max-age`",
    "found[].kind": "`stale`, `failed`, `gaps`, `rejected`, `loss`",
    "differences[].kind": "`missing`, `extra`, `different`; `moved`: the source changed since the last sync",
    "level": "nothing differs",
    "compared": "what was looked at",
    "still_at_source": "imports from which a person can be read again",
    "as_of": "the instant at which the warehouse was read",
    "already": "waiting in the queue before",
}
"""What keys mean that do not say it themselves; of several that end a path the longest counts."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    inert = text if text.startswith("`") else re.sub(r"<(?=\w)", r"\<", text)
    return inert.replace("|", r"\|").replace("\n", " ")


def page(title: str, *parts: str) -> str:
    """A page under a title."""
    return "\n\n".join([f"# {title}", NOTE, *filter(None, parts)]) + "\n"


# Commands

COMMON = """\
They stand before or behind a command's name. stdout is the answer, stderr is the talk; no command asks a question.
The shell completes commands, options and the names of accounts after
`eval "$(_TALKDESK_ETL_COMPLETE=bash_source talkdesk-etl)"` (`zsh_source`; in fish
`_TALKDESK_ETL_COMPLETE=fish_source talkdesk-etl | source`)."""


def commands_page() -> str:
    """Every command with its options and examples."""
    names = sorted(commands.commands)
    index = table(
        ("command", "what it does"), ((f"[`{name}`](#{name})", _paragraph(commands.commands[name])) for name in names)
    )
    common = table(("option of every command", "meaning"), _options(commands, only=EVERYWHERE))
    return page("Commands", index, common, COMMON, *(_command(name, commands.commands[name]) for name in names))


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"talkdesk-etl {name}")
    parts = [
        f"## {name}",
        _paragraph(command),
        "`" + " ".join([context.command_path, *command.collect_usage_pieces(context)]) + "`",
    ]
    if rows := list(_options(command, without=EVERYWHERE)):
        parts.append(table(("option", "meaning"), rows))
    if isinstance(command, click.Group):
        parts.append(
            table(("", "what it does"), ((f"`{name} {key}`", _paragraph(sub)) for key, sub in command.commands.items()))
        )
    if examples := EXAMPLES.get(name):
        parts.append(
            table(("example", "what comes of it"), ((f"`talkdesk-etl {line}`", it) for line, it in examples.items()))
        )
    return "\n\n".join(parts)


def _options(
    command: click.Command, *, only: AbstractSet[str] | None = None, without: AbstractSet[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    context = click.Context(command)
    for option in command.params:
        is_wanted = option.name not in without and (only is None or option.name in only)
        if is_wanted and (record := option.get_help_record(context)):
            yield f"`{record[0]}`", record[1]


def _paragraph(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


# Settings, exit codes


def settings_page() -> str:
    """Every setting, as help has it."""
    rows = ((f"`{variable}`", meaning, default) for variable, meaning, default in described())
    return page(
        "Settings",
        "From the environment, or a `.env` file in the working directory; the environment wins.\n"
        "All problems are reported at once, by name. A `TALKDESK_…` name that is no setting is said on stderr "
        "with the nearest one.",
        "In `.env` stands a `NAME=value` a line. Values are taken as written, `$` and ` #` included; quotes around "
        "a whole value are taken off; a line that begins with `#` is a comment. It may be a pipe: it is read once.",
        "Summary, `status`, `check`, `verify` and their `--json` name the warehouse (`host/database`, or `embedded` "
        "and its folder); where a real account goes into the embedded one because `DATABASE_URL` is not set, stderr "
        "says so.",
        table(("variable", "meaning", "default"), rows),
    )


def exit_codes() -> dict[int, str]:
    """The codes that help names, each with its meaning."""
    lines = (line.split(maxsplit=1) for line in EXIT_CODES.splitlines() if line.strip()[:1].isdigit())
    return {int(code): meaning for code, meaning in lines}


def exit_codes_page() -> str:
    """Every code, what it means, and the errors that end with it."""
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.EtlError)]
    words = [(c.exit_code, str(c.__doc__).partition("\n")[0]) for c in classes if c is not errors.EtlError]
    rows = (
        (f"`{code}`", meaning, " ".join(said for ending, said in words if ending == code))
        for code, meaning in exit_codes().items()
    )
    return page(
        "Exit codes",
        table(("code", "meaning", "errors that end with it"), rows),
        "Several failures make 8 if anything was synced, else the first one's code. "
        "[When something is wrong](../how-to/when-something-is-wrong.md) says what to do about each.",
    )


# Tables


def tables_page(connection: Connection) -> str:
    """Every table, view and function with its columns, from their comments."""
    overview = read_tables(connection).to_json()
    parts = []
    for kind, title in (("table", "Tables"), ("view", "Views")):
        those = [each for each in overview["tables"] if each["kind"] == kind]
        parts += [f"## {title}", _index(those), *(_relation(read_table(connection, each["name"])) for each in those)]
    functions = overview["functions"]
    rows = ((f"`{each['name']}({each['arguments']})`", each["comment"] or "") for each in functions)
    return page(
        "Tables and views",
        "All in the schema `talkdesk`; `talkdesk-etl tables` shows the same of your warehouse.\n"
        "Every key begins with `account`, instants are UTC, days are UTC days.",
        *parts,
        "## Functions",
        table(("function", "what it gives"), rows),
    )


def _index(relations: Iterable[dict[str, Any]]) -> str:
    return table(
        ("name", "holds"), ((f"[`{each['name']}`](#{each['name']})", each["comment"] or "") for each in relations)
    )


def _relation(one: Description) -> str:
    rows = ((f"`{each.name}`", each.type, each.comment or "") for each in one.columns)
    return f"### {one.relation.name}\n\n" + table(("column", "type", "meaning"), rows)


# JSON


def json_page(answers: dict[str, Any]) -> str:
    """The keys of every command's answer, read off answers; of what gave none, those that it promises."""
    parts = []
    for name in sorted(answers.keys() | NOTHING.keys()):
        shape = dict(_paths(answers.get(name, NOTHING.get(name))))
        rows = ((f"`{path}`", ", ".join(sorted(kinds, reverse=True)), _meaning(path)) for path, kinds in shape.items())
        parts += [f"## {name}", table(("key", "holds", ""), rows)]
    return page(
        "JSON",
        "`--json` prints exactly one JSON object on stdout. Keys may be added in a later version; none is renamed. "
        "`NAME` stands for an account, `RESOURCE` for each of `imports`, `import_records`, `case_fields`, "
        "`case_field_entries` and `users`, `[]` for each of a list.",
        "A command that failed before it had an answer prints the same keys with nothing in them, and `outcome` and "
        "`errors`: "
        "of each `account`, `resource`, `import_id`, `exit_code` and `message`.",
        *parts,
    )


def _meaning(path: str) -> str:
    known = [key for key in MEANINGS if f".{path.removesuffix('[]')}".endswith(f".{key}")]
    return MEANINGS[max(known, key=len)] if known else ""


def _paths(value: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    found: dict[str, set[str]] = {}
    for where, kind in _leaves(value, path):
        found.setdefault(where, set()).add(kind)
    yield from found.items()


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        is_by_account = path.rpartition(".")[2] in BY_ACCOUNT
        is_by_resource = len(value.keys() & BY_RESOURCE) > 1
        for key, inner in value.items():
            name = "NAME" if is_by_account else "RESOURCE" if is_by_resource and key in BY_RESOURCE else key
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    else:
        yield path, KINDS[type(value)]


# Metrics


def metrics_page(text: str) -> str:
    """Every metric that `status --textfile` writes, read off a file of it."""
    rows = []
    for family in text_string_to_metric_families(text):
        labels = sorted({label for sample in family.samples for label in sample.labels})
        rows.append((f"`{family.name}`", ", ".join(f"`{label}`" for label in labels), family.documentation))
    return page(
        "Metrics",
        "`talkdesk-etl status --textfile FILE` writes them for the node exporter of Prometheus. "
        "All are gauges; what is not known has no value.",
        table(("metric", "labels", "meaning"), rows),
        "[docs/integrations/prometheus/rules.yml](../integrations/prometheus/rules.yml) holds alerts on them.",
    )
