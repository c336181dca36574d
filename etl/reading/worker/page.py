"""The records of one page into rows that are ready to load: JSON text in, rows out; pure."""

import time
from typing import NamedTuple

from etl.extract import hal
from etl.extract.endpoints import RECORDS
from etl.packing import Packed, pack_error, pack_record
from etl.rows import Rejected
from etl.transform.records import RecordFlattener


class FlatPage(NamedTuple):
    """A page of records as rows; `seconds` of processor time made rows of them."""

    rows: list[Packed]
    errors: list[Packed]
    rejected: list[Rejected]
    seconds: float


def flatten(flattener: RecordFlattener, body: bytes) -> FlatPage:
    """The next page of the flattener's import; raises NotJson, or SourceMalformed where it holds no list."""
    items = hal.read_items(body, prefer=RECORDS.wrappers)
    started = time.thread_time()
    rows: list[Packed] = []
    errors: list[Packed] = []
    rejected: list[Rejected] = []
    for found in flattener.rows(items):
        if isinstance(found, Rejected):
            rejected.append(found)
        else:
            rows.append(pack_record(found[0]))
            errors.extend(map(pack_error, found[1]))
    seconds = time.thread_time() - started
    return FlatPage(rows, errors, rejected, seconds)
