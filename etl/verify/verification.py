"""What a verification found, for people and machines, and the exit code that follows from it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from etl.errors import DONE, FOUND, PARTLY_DONE, EtlError, Failure
from etl.warehouse.counts import told_of

Kind = Literal["missing", "extra", "different", "moved"]


class Rows(NamedTuple):
    """How many records an import has on either side."""

    source: int
    warehouse: int


class Difference(NamedTuple):
    """One thing on which source and warehouse disagree; no value of either side is in it.

    `key` is an import id or a field key; `path` an entry's keys from the root, or what names a record in its import;
    `column` is None if the whole row is meant, `valid_from` if the row's current version is missing.
    """

    account: str
    resource: str
    key: str
    path: list[str] | None
    column: str | None
    kind: Kind
    rows: Rows | None = None

    def to_json(self) -> dict[str, Any]:
        """Return one of the `differences` that `verify --json` prints."""
        return self._asdict() | {"rows": self.rows and self.rows._asdict()}


@dataclass
class Verification:
    """What the comparison of source and warehouse came to; `compared` counts rows by account and resource."""

    differences: list[Difference] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    compared: dict[str, Counter[str]] = field(default_factory=dict)
    warehouse: str | None = None

    def fail(self, account: str, error: EtlError, *, resource: str | None, import_id: str | None = None) -> None:
        """Note the error among the failures."""
        self.failures.append(Failure(account, resource, import_id, error.exit_code, str(error)))

    @property
    def level(self) -> bool:
        """True if everything was compared and nothing differs."""
        return not self.differences and not self.failures

    @property
    def exit_code(self) -> int:
        """A difference is what was looked for, so it counts more than a source that could not be read everywhere."""
        if self.differences:
            return FOUND
        if not self.failures:
            return DONE
        compared_anything = any(counts.total() for counts in self.compared.values())
        return PARTLY_DONE if compared_anything else self.failures[0].exit_code

    def to_json(self) -> dict[str, Any]:
        """Return the object that `verify --json` prints."""
        return {
            "warehouse": self.warehouse,
            "level": self.level,
            "differences": [difference.to_json() for difference in self.differences],
            "compared": {
                account: {resource: counts[resource] for resource in told_of(counts)}
                for account, counts in self.compared.items()
            },
            "errors": [failure.to_json() for failure in self.failures],
        }
