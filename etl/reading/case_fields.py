"""Reading case fields with their dictionaries: rows ready to load."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from etl.extract import hal, paging
from etl.extract.endpoints import CASE_FIELDS
from etl.extract.hal import Page
from etl.jsontext import json_bytes, json_text
from etl.reading.completeness import Reading, T, read_pages
from etl.reading.reader import Source
from etl.rows import Rejected
from etl.transform.case_fields import CaseField, case_field
from etl.transform.columns import too_large
from etl.transform.proportion import REASON, OutOfProportionError, Proportion

ENTRY_BYTES = 250
"""What any entry's row takes, with the names of its columns, its ids and numbers."""


@dataclass
class CaseFields:
    """Case fields and their entries as rows ready to load; of the same field the last one counts.

    `unreadable` are the fields whose dictionary was no list, or became too much: what is stored of them is not gone.
    """

    reading: Reading = field(default_factory=Reading)
    rows: dict[tuple[str, ...], bytes] = field(default_factory=dict)
    entries_of: dict[str, dict[tuple[str, ...], bytes]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    rejected: dict[str, Rejected] = field(default_factory=dict)
    rejected_entries: dict[str, list[Rejected]] = field(default_factory=dict)
    _proportion: Proportion = field(default_factory=Proportion)

    def add(self, items: list[Any]) -> None:
        """Add the fields of a page to the rows, or to the rejected; they are no longer among the items."""
        for item in _drained(items):
            found = case_field(item)
            if isinstance(found, Rejected):
                self.rejected[found.item] = found
            elif rejected := self._keep(found, item):
                self.rejected[rejected.item] = rejected
                self.unreadable.add(found.row.field_key)

    def _keep(self, found: CaseField, item: object) -> Rejected | None:
        """Keep field and entries among the rows; says why they are not, if they are too large."""
        key, text = found.row.field_key, json_bytes(found.row._asdict())
        try:
            entries, rejected = self._rows(found, item)
        except OutOfProportionError:
            return Rejected("case_fields", None, json_text(item), REASON)
        if problem := too_large("case_fields", item, text, *entries.values()):
            return problem
        self.rows[key,] = text
        self.entries_of[key] = entries
        self.rejected_entries[key] = rejected
        (self.unreadable.discard if found.dict_list_readable else self.unreadable.add)(key)
        return None

    def _rows(self, found: CaseField, item: object) -> tuple[dict[tuple[str, ...], bytes], list[Rejected]]:
        """Return the entries as they are loaded, one made after the other, and the rejected ones."""
        counted = self._proportion.rows_of(item)
        rows: dict[tuple[str, ...], bytes] = {}
        rejected = []
        for entry in found.entries():
            if isinstance(entry, Rejected):
                rejected.append(entry)
                counted.add(len(entry.item))
                continue
            text = json_bytes(entry._asdict())
            counted.add(max(len(text) - ENTRY_BYTES, 0))
            rows[found.row.field_key, entry.entry_id] = text
        self._proportion.keep(counted)
        return rows, rejected

    def is_empty_beside(self, missing: Collection[object]) -> bool:
        """Tell whether the answer holds no field although some should be there: on its strength none is removed."""
        return bool(missing) and not self.rows

    @property
    def entries(self) -> dict[tuple[str, ...], bytes]:
        """The entries of all fields by field key and entry id."""
        return {key: row for entries in self.entries_of.values() for key, row in entries.items()}


def _drained(items: list[T]) -> Iterator[T]:
    """Yield the items in order, each let go before the next: a dictionary takes more room as a tree than as rows."""
    items.reverse()
    while items:
        yield items.pop()


def read_case_fields(source: Source) -> CaseFields:
    """Read all case fields with their dictionaries, as far as they go."""
    fields = CaseFields()

    def add(page: Page) -> None:
        fields.add(hal.read_items(page.body, prefer=CASE_FIELDS.wrappers))

    fields.reading = read_pages(lambda: paging.case_field_pages(source.client), add, source.stop)
    return fields
