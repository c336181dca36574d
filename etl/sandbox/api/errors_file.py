"""The error file of an import: the failed lines of the uploaded CSV, each with its number and what was wrong."""

import csv
import io

from etl.sandbox.world.items import Item
from etl.sandbox.world.moves import BulkImport

LINE, ERROR = "Line", "Error"


def errors_file(bulk_import: BulkImport) -> bytes:
    """The file, empty if nothing failed."""
    failed = [record for record in bulk_import.records if isinstance(record, dict) and record.get("status") == "FAILED"]
    columns = list(dict.fromkeys(column for record in failed for column in record.get("data", {})))
    text = io.StringIO()
    writer = csv.writer(text)
    if failed:
        writer.writerow([LINE, *columns, ERROR])
    for record in failed:
        cells = record.get("data", {})
        writer.writerow([record.get("line"), *(cells.get(column, "") for column in columns), _said(record)])
    return text.getvalue().encode("utf-8", "replace")


def _said(record: Item) -> str:
    errors = record.get("errors") or []
    return "; ".join(str(error.get("message", "")) for error in errors if isinstance(error, dict))
