"""The rows that travel from the transformer to the loader; their names are the columns' names.

The loader adds `account` and the columns of our own clock.
"""

from datetime import datetime
from typing import Any, NamedTuple

MAX_KEY_BYTES = 1200
"""Longest import, record or field key (UTF-8): a B-tree's 2,704 bytes hold two of them and an account."""

MAX_ROW_BYTES = 40_000_000
"""Longest row (JSON): whatever it holds, a jsonb of 256 MB has room for it."""
TOO_LARGE = f"it is longer than the {MAX_ROW_BYTES // 1_000_000} MB of JSON that a row can hold"


class ImportRow(NamedTuple):
    """A bulk import; every column but `import_id` and `extra` may be None."""

    import_id: str
    filename: str | None
    type: str | None
    status: str | None
    total_records: int | None
    completed_records: int | None
    failed_records: int | None
    created_by: str | None
    created_at: datetime | None
    updated_by: str | None
    updated_at: datetime | None
    canceled_by: str | None
    canceled_at: datetime | None
    extra: dict[str, Any]


class RecordRow(NamedTuple):
    """A line of a bulk import; `data` is JSON text."""

    record_key: str
    record_id: str | None
    line: int | None
    position: int
    status: str | None
    data: bytes


class RecordErrorRow(NamedTuple):
    """An error of a record, once for each column that it names; `extra` is JSON text."""

    record_key: str
    error_no: int
    code: str | None
    message: str | None
    description: str | None
    field: str | None
    field_description: str | None
    extra: bytes


class CaseFieldRow(NamedTuple):
    """A case field without its dictionary."""

    field_key: str
    field_id: str | None
    name: str | None
    type: str | None
    description: str | None
    required: bool | None
    active: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    extra: dict[str, Any]


class UserRow(NamedTuple):
    """A user of the account."""

    user_id: str
    name: str | None
    email: str | None
    active: bool | None
    gender: str | None
    extension: str | None
    external_phone_number: str | None
    created_at: datetime | None
    extra: dict[str, Any]


class EntryRow(NamedTuple):
    """A node of a case field's dictionary."""

    field_key: str
    entry_id: str
    key: str
    label: str | None
    path: list[str]
    labels: list[str | None]
    parent_id: str | None
    depth: int
    position: int
    is_leaf: bool
    extra: dict[str, Any]


class Rejected(NamedTuple):
    """An item that cannot be loaded: JSON text as received, and a reason that quotes nothing of it."""

    resource: str
    import_id: str | None
    item: str
    reason: str
