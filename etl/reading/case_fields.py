"""Reading case fields with their dictionaries: rows ready to load."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from etl.extract import hal, paging
from etl.extract.endpoints import CASE_FIELDS
from etl.extract.hal import Page
from etl.jsontext import json_bytes
from etl.reading.completeness import Reading, T, read_pages
from etl.reading.reader import Source
from etl.rows import Rejected
from etl.transform.case_fields import CaseField, case_field
from etl.transform.columns import too_large


@dataclass
class CaseFields:
    """Case fields and their entries as rows ready to load; of the same field the last one counts.

    `unreadable` are the fields whose dictionary was no list: their entries are unknown, not gone.
    """

    reading: Reading = field(default_factory=Reading)
    rows: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    entries_of: dict[str, dict[tuple[str, ...], bytes]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    rejected_entries: dict[str, list[Rejected]] = field(default_factory=dict)

    def add(self, items: list[Any]) -> None:
        """Afterwards the fields of a page are among the rows, or among the rejected, and no longer among the items."""
        for item in _drained(items):
            found = case_field(item)
            if isinstance(found, Rejected):
                self.rejected[found.item] = found
                continue
            self._keep(found, item)

    def _keep(self, found: CaseField, item: object) -> None:
        key, text = found.row.field_key, json_bytes(found.row._asdict())
        entries: dict[tuple[str, ...], bytes] = {
            (key, entry.entry_id): json_bytes(entry._asdict()) for entry in found.entries
        }
        if rejected := too_large("case_fields", item, text, *entries.values()):
            self.rejected[rejected.item] = rejected
            return
        self.rows[key,] = text
        self.entries_of[key] = entries
        self.rejected_entries[key] = found.rejected
        (self.unreadable.discard if found.dict_list_readable else self.unreadable.add)(key)

    @property
    def entries(self) -> dict[tuple[str, ...], bytes]:
        """The entries of all fields by field key and entry id."""
        return {key: row for entries in self.entries_of.values() for key, row in entries.items()}


def _drained(items: list[T]) -> Iterator[T]:
    """The items in order, each let go before the next: a dictionary takes more room as a tree than as rows."""
    items.reverse()
    while items:
        yield items.pop()


def read_case_fields(source: Source) -> CaseFields:
    """All case fields with their dictionaries, as far as they could be read."""
    fields = CaseFields()

    def add(page: Page) -> None:
        fields.add(hal.read_items(page.body, prefer=CASE_FIELDS.wrappers))

    fields.reading = read_pages(lambda: paging.case_field_pages(source.client), add, source.stop)
    return fields
