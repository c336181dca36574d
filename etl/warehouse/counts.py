"""What a sync counts per resource: the outcomes of items and rows, the traffic, and where the time went."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

PARTS = {
    "imports": ("imports", "import_records"),
    "case-fields": ("case_fields", "case_field_entries"),
    "users": ("users",),
}
"""The resources by the part of an account that they belong to."""

RESOURCES = tuple(resource for part in PARTS.values() for resource in part)


def resources_of(parts: Iterable[str]) -> tuple[str, ...]:
    """Return the resources of these parts."""
    return tuple(resource for part in parts for resource in PARTS[part])


def told_of(there: Container[str]) -> tuple[str, ...]:
    """Return the resources that an answer tells of: users only if they are among what is there."""
    return tuple(resource for resource in RESOURCES if resource in there or resource not in PARTS["users"])


class Progress(NamedTuple):
    """How far a resource is; `total` is None while nobody knows, `resource` once the account is done."""

    account: str
    resource: str | None
    done: int = 0
    total: int | None = None
    rows: int = 0


@dataclass
class Counts:
    """Outcomes of one resource's items and rows."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: int = 0

    def add(self, other: "Counts") -> None:
        """Add the other counts."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def stored(self) -> int:
        """How many outcomes the database has taken note of; what was unchanged was found to be level."""
        return self.inserted + self.updated + self.unchanged + self.removed + self.rejected

    def to_json(self) -> dict[str, int]:
        """Return the counts by name, as `sync --json` prints them."""
        return asdict(self)


@dataclass
class Traffic:
    """What one resource cost: HTTP requests, and seconds by what was done in them."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0
    fetch_seconds: float = 0.0
    flatten_seconds: float = 0.0
    load_seconds: float = 0.0
    waiting_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name, seconds to the millisecond."""
        return {name: round(value, 3) for name, value in asdict(self).items()}
