"""The dashboard for Grafana: every panel has an answer in a warehouse with data, and stands in its own place."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.account import Account

FOLDER = Path(__file__).parents[2] / "docs" / "integrations" / "grafana"
DASHBOARD = json.loads((FOLDER / "dashboards" / "talkdesk-etl.json").read_text(encoding="utf-8"))
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
SINCE, UNTIL = "'2020-01-01T00:00:00Z'", "'2100-01-01T00:00:00Z'"
# https://grafana.com/docs/grafana/latest/datasources/postgres/ says what each macro stands for.
MACROS = {
    r"\$__timeFilter\(([\w.]+)\)": rf"\1 BETWEEN {SINCE} AND {UNTIL}",
    r"\$__timeGroupAlias\(([\w.]+), *'1d'\)": r'floor(extract(epoch from \1)/86400)*86400 AS "time"',
    r"\$\{account:sqlstring\}": "'acme','zenith''s'",
}
EMPTY = {"Gaps"}
"""What is wrong with no account that is well."""


@pytest.fixture
def moved(synced: Account) -> Account:
    """An account after a second sync that has seen an option renamed."""
    synced.world.rename_entry("drop_down1", ["001"], "Renamed")
    synced.sync()
    return synced


def written_out(statement: str) -> str:
    for macro, meaning in MACROS.items():
        statement = re.sub(macro, meaning, statement)
    assert "$" not in statement
    return statement


def ask(url: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row, options="-c search_path=pg_catalog") as connection:
        return connection.execute(written_out(statement).encode()).fetchall()


def test_every_panel_has_an_answer(moved: Account) -> None:
    """In the form that it asks for: a series has its time, its name and its value."""
    for title, panel in PANELS.items():
        (target,) = panel["targets"]
        rows = ask(moved.url, target["rawSql"])

        assert rows or title in EMPTY, title
        if target["format"] == "time_series":
            assert {"time", "metric", "value"} == rows[0].keys()


def test_the_variable_lists_the_accounts(moved: Account) -> None:
    (variable,) = DASHBOARD["templating"]["list"]

    assert "account" == variable["name"]
    assert [{"account": "acme"}] == ask(moved.url, variable["query"])


def test_no_panel_shows_a_cell_or_a_message() -> None:
    for panel in PANELS.values():
        assert not re.search(r"\b(data|message|description)\b", panel["targets"][0]["rawSql"])


def test_panels_have_places_of_their_own() -> None:
    assert len(PANELS) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one, other in combinations((panel["gridPos"] for panel in PANELS.values()), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS.values())


def test_one_data_source_and_no_secret() -> None:
    source = (FOLDER / "provisioning" / "datasources" / "talkdesk.yml").read_text(encoding="utf-8")

    assert f"uid: {DASHBOARD['panels'][0]['datasource']['uid']}" in source
    assert "password: $TALKDESK_DB_PASSWORD" in source
