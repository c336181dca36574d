"""One bulk import: how it comes to be, is worked through line by line, and ends."""

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from etl.sandbox.world.items import Item
from etl.sandbox.world.people import hex_id, pending_record, record_error

SYSTEM_USER = "000000000000000000000001"
TIME_IN_QUEUE = timedelta(seconds=20)
TIME_PER_RECORD = timedelta(seconds=1.4)
FAILURE_RATE = 0.12


class BulkImport(NamedTuple):
    """An import as the source holds it; a change makes a new one, so whoever reads has a consistent state."""

    item: Any
    records: tuple[Any, ...]
    created_at: datetime

    @property
    def id(self) -> str:
        """The id as it comes back in an address, whatever stands in the item."""
        text = str(self.item.get("id")) if isinstance(self.item, dict) else ""
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")

    def with_keys(self, keys: Item) -> "BulkImport":
        """The same import with some keys of its item set."""
        return self._replace(item=self.item | keys)


def queued(rng: Random, *, type_: str, records: int, user: str, created_at: datetime) -> BulkImport:
    """A new import of as many records; an export has neither records nor counters."""
    item: Item = {
        "id": hex_id(rng),
        "filename": _filename(type_, created_at),
        "status": "QUEUED",
        "type": type_,
    }
    item |= {
        "created_by": user,
        "created_at": stamp(created_at),
        "updated_by": user,
        "updated_at": stamp(created_at),
    }
    item |= {"canceled_by": None, "canceled_at": None}
    if type_ == "EXPORT_USERS":
        return BulkImport(item | {"export_criteria": {"mode": "ALL"}}, (), created_at)
    lines = tuple(pending_record(rng, line, type_) for line in range(2, records + 2))
    return _counted(BulkImport(item, lines, created_at))


def lived(new: BulkImport, rng: Random, *, status: str, now: datetime) -> BulkImport:
    """What has become of a new import that has reached that status, at the latest by now."""
    size = len(new.records)
    ended_at = min(new.created_at + TIME_IN_QUEUE + TIME_PER_RECORD * size, now)
    if status == "QUEUED":
        return new
    if status == "FAILED":
        return refused(new, now=ended_at)
    if status == "COMPLETED_WITH_ERRORS":
        return finished(_with_failures(new, rng, now=ended_at), status=None, now=ended_at)
    if status not in {"IN_PROGRESS", "CANCELED"}:
        return finished(new, status=status, now=ended_at)
    half = worked_on(new, rng, lines=size // 2, failure_rate=0, now=ended_at)
    return half if status == "IN_PROGRESS" else canceled(half, user=new.item["created_by"], now=ended_at)


def started(bulk_import: BulkImport, *, now: datetime) -> BulkImport:
    """The same import, now in progress."""
    return _moved(bulk_import, "IN_PROGRESS", now)


def worked_on(bulk_import: BulkImport, rng: Random, *, lines: int, failure_rate: float, now: datetime) -> BulkImport:
    """The next lines that were pending are done, about as many of them failed as the rate says."""
    records = list(bulk_import.records)
    pending = [place for place, record in enumerate(records) if _is_pending(record)]
    for place in pending[:lines]:
        failed = rng.random() < failure_rate
        records[place] = _failed(records[place], rng, bulk_import) if failed else _completed(records[place])
    return _counted(started(bulk_import._replace(records=tuple(records)), now=now))


def finished(bulk_import: BulkImport, *, status: str | None, now: datetime) -> BulkImport:
    """The import ended, what was pending is completed; the status is earned unless one is given."""
    records = tuple(_completed(record) if _is_pending(record) else record for record in bulk_import.records)
    counted = _counted(bulk_import._replace(records=records))
    earned = "COMPLETED_WITH_ERRORS" if counted.item.get("failed_records") else "COMPLETED"
    return _moved(counted, status or earned, now)


def canceled(bulk_import: BulkImport, *, user: str, now: datetime) -> BulkImport:
    """The import was canceled by that user; what was pending stays undone."""
    records = tuple(r | {"status": "CANCELED"} if _is_pending(r) else r for r in bulk_import.records)
    keys = {"canceled_by": user, "canceled_at": stamp(now), "updated_by": user}
    return _moved(bulk_import._replace(records=records), "CANCELED", now).with_keys(keys)


def refused(bulk_import: BulkImport, *, now: datetime) -> BulkImport:
    """The file could not be read at all: the import failed and has no records."""
    return _moved(_counted(bulk_import._replace(records=())), "FAILED", now)


def stamp(instant: datetime) -> str:
    """The instant as imports carry it: UTC with milliseconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def _with_failures(new: BulkImport, rng: Random, *, now: datetime) -> BulkImport:
    one_failed = worked_on(new, rng, lines=1, failure_rate=1, now=now)
    return worked_on(one_failed, rng, lines=len(new.records), failure_rate=FAILURE_RATE, now=now)


def _filename(type_: str, created_at: datetime) -> str:
    return f"{type_.lower().replace('_', '-')}-{created_at:%Y-%m-%d}.csv"


def _moved(bulk_import: BulkImport, status: str, now: datetime) -> BulkImport:
    return bulk_import.with_keys({"status": status, "updated_at": stamp(now), "updated_by": SYSTEM_USER})


def _counted(bulk_import: BulkImport) -> BulkImport:
    if bulk_import.item.get("type") == "EXPORT_USERS":
        return bulk_import
    seen = Counter(record.get("status") for record in bulk_import.records if isinstance(record, dict))
    counters = {
        "total_records": len(bulk_import.records),
        "completed_records": seen["COMPLETED"],
        "failed_records": seen["FAILED"],
    }
    return bulk_import.with_keys(counters)


def _is_pending(record: object) -> bool:
    return isinstance(record, dict) and record.get("status") == "PENDING"


def _completed(record: Item) -> Item:
    return record | {"status": "COMPLETED"}


def _failed(record: Item, rng: Random, bulk_import: BulkImport) -> Item:
    return record | {"status": "FAILED", "errors": [record_error(rng, bulk_import.item["type"])]}
