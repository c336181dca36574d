"""Settings from the environment, `.env` and an optional TOML file."""

from etl.config.models import AccountSettings, Configured, WarehouseSettings
from etl.config.sources import (
    account_name,
    account_names,
    complete_accounts,
    configured,
    having,
    load,
    load_accounts,
    load_warehouse,
    log_format,
    ping_url,
    real_accounts,
)

__all__ = [
    "AccountSettings",
    "Configured",
    "WarehouseSettings",
    "account_name",
    "account_names",
    "complete_accounts",
    "configured",
    "having",
    "load",
    "load_accounts",
    "load_warehouse",
    "log_format",
    "ping_url",
    "real_accounts",
]
