"""The warehouse as sources of dbt: made from the comments that its own tables, views and columns carry.

A source is as fresh as its accounts' runs: rows that did not change say nothing of when they were last read. Of several
accounts the stalest decides. What only tells of the runs themselves has no freshness.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import yaml
from sqlalchemy import Connection

from etl import __version__
from etl.commands.files import replacing
from etl.commands.tables import Column, Description, describe_all
from etl.config import Configured
from etl.warehouse.counts import resources_of
from etl.warehouse.tables import SCHEMA, metadata

HEAD = f"""\
# Sources of dbt for the warehouse of talkdesk-etl {__version__}, as `talkdesk-etl dbt-sources` writes them:
# make them anew after each upgrade, and whenever an account comes or goes.
"""
SAYS = "Copied by talkdesk-etl from Talkdesk, which forgets imports after 20 days and keeps no history of case fields."
OLD = {"warn_after": {"count": 6, "period": "hour"}, "error_after": {"count": 24, "period": "hour"}}
WIDTH = 110

RESOURCE_OF = {
    "imports": ("imports", "imports_versions", "import_history", "import_daily"),
    "import_records": ("import_records", "import_record_errors", "import_errors"),
    "case_fields": ("case_fields", "case_fields_versions"),
    "case_field_entries": ("case_field_entries", "case_field_entries_versions", "case_field_paths"),
    "users": ("users", "users_versions", "import_user_changes"),
}
"""By resource, what is as fresh as it."""


class Sources(NamedTuple):
    """The document, and the accounts by whose runs freshness is judged; none are named if none is configured."""

    document: dict[str, Any]
    accounts: list[str]

    @property
    def tables(self) -> int:
        """How many tables and views it has."""
        return len(self.document["sources"][0]["tables"])

    def to_yaml(self) -> str:
        """Return the file."""
        text = yaml.dump(self.document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
        return f"{HEAD}{text}"


class _Sql(str):
    """Text that stands in lines of its own."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes statements as they are read, and everything where it stands."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - what is the same is written again
        """Write no anchors."""
        return True


_Dumper.add_representer(_Sql, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))


def read_sources(connection: Connection, configured: Iterable[Configured]) -> Sources:
    """Describe what is in the warehouse; freshness is that of the configured accounts that have the resource."""
    accounts = {account.name: resources_of(account.parts) for account in configured}
    source = {
        "name": SCHEMA,
        "schema": SCHEMA,
        "description": SAYS,
        "config": {"freshness": None},
        "tables": [_table(each, accounts) for each in describe_all(connection)],
    }
    return Sources({"version": 2, "sources": [source]}, list(accounts))


def write_sources(sources: Sources, place: str | None, *, show: bool) -> dict[str, Any]:
    """Write the file, or show it where no place is named; says what `dbt-sources --json` prints."""
    text = sources.to_yaml()
    if place is not None:
        with replacing(place) as file:
            file.write(text.encode())
    elif show:
        sys.stdout.write(text)
    here = {"yaml": text} if place is None else {"yaml": None}
    return {"path": place, "accounts": sources.accounts, "tables": sources.tables, **here}


def _table(one: Description, accounts: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    name, comment = one.relation.name, one.relation.comment
    keys = _keys(name)
    return {
        "name": name,
        **({"description": comment} if comment else {}),
        **_freshness(name, accounts),
        **({"data_tests": [_unique(keys)]} if keys else {}),
        "columns": [_column(each, keys) for each in one.columns],
    }


def _keys(name: str) -> list[str]:
    """Return the columns of the primary key; a view has none."""
    table = metadata.tables.get(f"{SCHEMA}.{name}")
    return [] if table is None else [str(column.name) for column in table.primary_key.columns]


def _unique(keys: Sequence[str]) -> dict[str, Any]:
    """Return the test that no two rows have the same key; dbt takes an expression in place of a column."""
    return {"unique": {"arguments": {"column_name": keys[0] if len(keys) == 1 else f"({', '.join(keys)})"}}}


def _column(column: Column, keys: Sequence[str]) -> dict[str, Any]:
    said = {"description": column.comment} if column.comment else {}
    tests = {"data_tests": ["not_null"]} if column.name in keys else {}
    return {"name": column.name, **said, "data_type": column.type, **tests}


def _freshness(name: str, accounts: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return how old it may be and what tells; of what tells of runs, or no configured account has, nothing is said."""
    resource = next((each for each, names in RESOURCE_OF.items() if name in names), None)
    having = [account for account, resources in accounts.items() if resource in resources]
    if resource is None or (accounts and not having):
        return {"config": {"freshness": None}}
    return {"config": {"freshness": OLD, "loaded_at_query": _Sql(_loaded_at(resource, having))}}


def _loaded_at(resource: str, accounts: Sequence[str]) -> str:
    """Return the query for the last good run of the stalest account; one that never had any counts as of 1970."""
    # An account's name is a DNS label: letters, digits and hyphens.
    names = ", ".join(f"'{account}'" for account in accounts)
    of = f"unnest(ARRAY[{names}])" if accounts else "(SELECT DISTINCT account FROM talkdesk.freshness)"
    return "\n".join(
        (
            "SELECT coalesce(min(coalesce(f.last_success_at, 'epoch'::timestamptz)), 'epoch'::timestamptz)",
            f"FROM {of} AS a (account)",
            f"LEFT JOIN talkdesk.freshness AS f ON f.account = a.account AND f.resource = '{resource}'",
        )
    )
