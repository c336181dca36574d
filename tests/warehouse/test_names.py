"""The warehouse by name, as people know it: what libpq makes of the address, without a user or a password."""

import logging
from pathlib import Path

import pytest

from etl.config import WarehouseSettings, load_warehouse
from etl.warehouse.opening import warehouse_name, warn_of_embedded

SERVICE = "[reports]\nhost=db.service.example\ndbname=by_service\nuser=planted\npassword=planted\n"


@pytest.mark.parametrize(
    ("expected", "rest"),
    [
        ("db.example/wares", "planted:planted@db.example:5433/wares?sslmode=require"),
        ("a.example,b.example/wares", "planted@a.example:1,b.example:2/wares"),
        ("/run/pg/wares", "planted@/wares?host=%2Frun%2Fpg"),
        ("10.0.0.1/wares", "?hostaddr=10.0.0.1&dbname=wares&password=planted"),
        ("db.service.example/by_service", "?service=reports"),
        ("db.service.example/wares", "planted@/wares?service=reports"),
        ("db.env.example/by_env", "planted@"),
        ("db.env.example/odd\ufffd", "planted@/odd%1b"),
    ],
)
def test_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: str, rest: str) -> None:
    """Variables and services give what the address leaves out; nothing is dialled."""
    (tmp_path / "services").write_text(SERVICE)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGDATABASE", "by_env")
    if "host=" not in rest and "service=" not in rest and "hostaddr=" not in rest:
        monkeypatch.setenv("PGHOST", "db.env.example")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{rest}")

    assert expected == warehouse_name(load_warehouse())


def test_the_embedded_one_beside_a_real_account(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The variable may have been forgotten, which is said; with it, or a sandbox, nothing is."""
    embedded = WarehouseSettings(home=tmp_path)
    warn_of_embedded(embedded)
    monkeypatch.setenv("TALKDESK_ACCOUNT", "acme")
    warn_of_embedded(embedded)
    warn_of_embedded(WarehouseSettings(database_url="postgresql://"))

    assert f"embedded {tmp_path}" == warehouse_name(embedded)
    assert [
        (
            "etl.warehouse.opening",
            logging.WARNING,
            f"DATABASE_URL is not set: the warehouse of acme is the embedded database in {tmp_path}",
        )
    ] == caplog.record_tuples
