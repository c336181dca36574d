"""Settings from the environment, `.env` and an optional TOML file."""

from etl.config.models import AccountSettings, WarehouseSettings
from etl.config.sources import load, load_accounts, load_warehouse

__all__ = ["AccountSettings", "WarehouseSettings", "load", "load_accounts", "load_warehouse"]
