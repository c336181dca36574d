"""`dbt-sources`: the warehouse as dbt's sources, from its own comments."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Connection

from etl.commands.dbt_sources import read_sources
from etl.commands.promises import NOTHING
from etl.commands.tables import describe_all
from etl.config import Configured
from etl.warehouse.tables import metadata
from tests.commands.command import Command

SHIPPED = Path(__file__).parents[2] / "docs" / "integrations" / "dbt" / "models" / "sources.yml"


def tables(connection: Connection, *accounts: Configured) -> dict[str, dict[str, Any]]:
    """The tables of the file, by name, as any reader of YAML finds them."""
    (source,) = yaml.safe_load(read_sources(connection, accounts).to_yaml())["sources"]
    return {each["name"]: each for each in source["tables"]}


def test_every_table_and_view_with_its_comment(connection: Connection) -> None:
    found = tables(connection)

    assert {each.relation.name: each.relation.comment for each in describe_all(connection)} == {
        name: each["description"] for name, each in found.items()
    }
    assert {table.name for table in metadata.tables.values()} | {"import_history", "freshness"} <= found.keys()
    assert not [each for each in found.values() if "{{" in str(each) or "{%" in str(each)]


def test_keys_are_tested(connection: Connection) -> None:
    """A key as a whole is unique, and each of its columns is never NULL; a view has none."""
    found = tables(connection)
    keyed = {table.name: [column.name for column in table.primary_key] for table in metadata.tables.values()}

    for name, each in found.items():
        never_null = [column["name"] for column in each["columns"] if column.get("data_tests") == ["not_null"]]
        assert sorted(keyed.get(name, [])) == sorted(never_null)
        assert (name in keyed) == ("data_tests" in each)
    expected = [{"unique": {"arguments": {"column_name": "(account, import_id)"}}}]
    assert expected == found["imports"]["data_tests"]


@pytest.mark.parametrize(
    ("accounts", "table", "asked"),
    [
        ([], "imports", "FROM (SELECT DISTINCT account FROM talkdesk.freshness)"),
        ([Configured(name="a"), Configured(name="b")], "import_daily", "unnest(ARRAY['a', 'b'])"),
        ([Configured(name="a"), Configured(name="b", resources=("imports",))], "case_fields", "unnest(ARRAY['a'])"),
        ([Configured(name="a"), Configured(name="b", users="keep")], "users", "unnest(ARRAY['b'])"),
        ([Configured(name="a")], "users", None),
        ([Configured(name="a")], "sync_runs", None),
    ],
)
def test_freshness(connection: Connection, accounts: list[Configured], table: str, asked: str | None) -> None:
    """By the runs of the configured accounts that have the resource, if there is one to be fresh."""
    config = tables(connection, *accounts)[table]["config"]

    assert (asked is None) == (config["freshness"] is None)
    assert asked is None or asked in config["loaded_at_query"]


@pytest.mark.parametrize(("given", "year"), [([], 1970), ([Configured(name="nobody")], 1970)])
def test_what_was_never_synced_counts_as_1970(connection: Connection, given: list[Configured], year: int) -> None:
    query = tables(connection, *given)["imports"]["config"]["loaded_at_query"]

    assert year == connection.exec_driver_sql(query).scalar_one().year


def test_the_file_that_is_shipped(database_url: str) -> None:
    """As the command makes it where nothing is configured: with --out it makes the file anew."""
    said = Command({"DATABASE_URL": database_url})("dbt-sources")

    assert (0, "") == (said.code, said.err)
    assert SHIPPED.read_text(encoding="utf-8") == said.out


def test_where_it_goes(database_url: str, tmp_path: Path) -> None:
    """To a file, or with --json into the one object."""
    command, file = Command({"DATABASE_URL": database_url}), tmp_path / "sources.yml"
    there, here = command("dbt-sources", "--json", "--out", str(file)).json, command("dbt-sources", "--json").json

    assert here["yaml"] == file.read_text(encoding="utf-8")
    assert (str(file), None) == (there["path"], there["yaml"])
    assert NOTHING["dbt-sources"].keys() == here.keys() == there.keys()
