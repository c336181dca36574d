"""The list of imports as it is read: whatever it repeats, what was stored of it is not stored otherwise."""

from datetime import timedelta

import pytest

from etl.reading import listing as reading
from etl.reading.listing import Listing
from etl.sync import pipeline
from tests.account import Account, changes


def test_the_last_copy_counts() -> None:
    """As long as none of them was taken."""
    listing = Listing()
    listing.add([{"id": "a", "filename": "1"}, {"id": "b"}, {"id": "a", "filename": "2"}])

    assert {"a", "b"} == listing.rows.keys()
    assert b'"2"' in listing.rows["a"]


def test_what_was_taken_counts() -> None:
    """A copy that comes later is let go: it would be stored after the first one in each run."""
    listing = Listing()
    listing.add([{"id": "a", "filename": "1"}])
    listing.take(1)
    listing.add([{"id": "a", "filename": "2"}, {"id": "b"}])

    assert {"b"} == listing.rows.keys()
    assert {"a", "b"} == listing.ids


def test_copies_far_apart(acme: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """In different parts of a long list: each further run finds nothing to do."""
    for module in (pipeline, reading):
        monkeypatch.setattr(module, "ROWS_PER_PART", 3)
    one = acme.world.imports()[0]
    item = {**one.item, "filename": "another.csv"}
    acme.world.put_import(item, one.records, age=timedelta(days=1))
    acme.sync()

    assert {} == changes(acme.sync())
    assert 1 == acme.value("SELECT count(*) FROM talkdesk.imports_versions WHERE import_id = %s", one.id)
