"""The loader: rows in, true counts out. Knows no network and no JSON key of the source."""

from etl.load.erasing import (
    Erased,
    ErrorKey,
    Person,
    Wanted,
    age_records,
    blank_erased_users,
    erase_person,
    erased_records,
    find_person,
)
from etl.load.halving import Stored, by_halves
from etl.load.imports import (
    StoredOtherwise,
    mark_expired,
    missing_imports,
    pending_imports,
    recognises,
    stored_otherwise,
)
from etl.load.records import Content, compare_staged, replace_records, stage, with_own_records
from etl.load.rejected import keep_rejected, prune_rejected
from etl.load.rowsets import CASE_FIELDS, ENTRIES, IMPORTS, USERS, Key, Versioned
from etl.load.users import note_users_read
from etl.load.versioned import mark_removed, missing, upsert

__all__ = [
    "CASE_FIELDS",
    "ENTRIES",
    "IMPORTS",
    "USERS",
    "Content",
    "Erased",
    "ErrorKey",
    "Key",
    "Person",
    "Stored",
    "StoredOtherwise",
    "Versioned",
    "Wanted",
    "age_records",
    "blank_erased_users",
    "by_halves",
    "compare_staged",
    "erase_person",
    "erased_records",
    "find_person",
    "keep_rejected",
    "mark_expired",
    "mark_removed",
    "missing",
    "missing_imports",
    "note_users_read",
    "pending_imports",
    "prune_rejected",
    "recognises",
    "replace_records",
    "stage",
    "stored_otherwise",
    "upsert",
    "with_own_records",
]
