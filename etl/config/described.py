"""Describing the settings: help and docs/reference/settings.md are made from what the models say of each."""

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from pydantic.fields import FieldInfo

from etl.config.models import AccountSettings, MonitorSettings, WarehouseSettings
from etl.config.sources import ConfigFile


class Described(NamedTuple):
    """A setting's variable, what it does, and its default, "required" if there is none to go by."""

    variable: str
    meaning: str
    default: str


def described() -> Iterator[Described]:
    """Yield every setting that a variable can give, in the order in which people need them."""
    for settings in (WarehouseSettings, AccountSettings, MonitorSettings, ConfigFile):
        variables = {key: variable for variable, key in settings.variables().items()}
        for name, field in settings.model_fields.items():
            if field.description:
                variable = variables[str(field.validation_alias or name)]
                yield Described(variable, field.description, _default(field))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if isinstance(default, timedelta):
        return f"{default.total_seconds() / 60:g}m"
    if isinstance(default, str | int | float) and default != "":
        return f"{default:g}" if isinstance(default, float) else str(default)
    return ""
