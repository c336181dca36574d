"""Settings from the environment, `.env` and an optional TOML file."""

from etl.config.models import AccountSettings, WarehouseSettings
from etl.config.sources import account_names, load, load_accounts, load_warehouse, log_format, real_accounts

__all__ = [
    "AccountSettings",
    "WarehouseSettings",
    "account_names",
    "load",
    "load_accounts",
    "load_warehouse",
    "log_format",
    "real_accounts",
]
