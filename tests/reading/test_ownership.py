"""Records that say they are another import's are not stored under this one; no cell raises a false alarm."""

import json
from typing import Any

import pytest

from etl.errors import SourceMalformed
from etl.reading.ownership import require_own

KNOWN = {"7", "8", "mine", "other"}


def page(*records: Any, wrapper: dict[str, Any] | None = None, **more: Any) -> bytes:
    """A page of records in the usual form."""
    return json.dumps({"_embedded": {**(wrapper or {}), "records": records}, "_links": {}, **more}).encode()


FOREIGN: dict[str, bytes] = {
    "the page": page({"id": 1}, import_id="other"),
    "the page, of an import that nobody knows": page({"id": 1}, import_id="elsewhere"),
    "the page, by a number": page(bulk_import_id=8),
    "the page, in camel case": page(importId="other"),
    "the page, in camel case and in full": page(bulkImportId="other"),
    "the wrapper": page(wrapper={"import_id": "other"}),
    "every record": page({"import_id": "other"}, {"import_id": "other"}),
    "the last record": page({"import_id": "mine"}, {"id": 2}, {"bulk_import_id": "other"}),
    "a record, by a number": page({"importId": 8}),
    "one of two keys": page({"import_id": "mine", "bulkImportId": "other"}),
    "a bare array": json.dumps([{"import_id": "other"}]).encode(),
    "the only record": json.dumps({"id": 1, "import_id": "other"}).encode(),
    "behind a mark": b"\xef\xbb\xbf" + page({"id": 1}, import_id="other"),
    "beside half a pair": page({"id": "\ud800"}, import_id="other"),
    "beside NUL": page({"id": "\0", "import_id": "other"}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_records_of_another_import(kind: str) -> None:
    """It is enough that one of them says so, or their page."""
    with pytest.raises(SourceMalformed, match="says that it is of another import"):
        require_own(FOREIGN[kind], "mine", KNOWN)


OWN: dict[str, bytes] = {
    "nobody says anything": page({"id": 1}),
    "the page and its records": page({"import_id": "mine"}, import_id="mine", bulk_import_id="mine"),
    "null": page({"import_id": None}, import_id=None),
    "a cell": page({"id": 1, "data": {"import_id": "other"}}),
    "a flat cell that is no import": page({"id": 1, "import_id": "CRM-4711"}),
    "a flat cell of the only record": json.dumps({"id": 1, "import_id": "CRM-4711"}).encode(),
    "a cell that is no text": page(
        {"import_id": {"import_id": "other"}}, {"import_id": True}, {"import_id": ["other"]}
    ),
    "a self link": page(
        {"_links": {"self": {"href": "/bulk-imports/users/other"}}},
        _links={"self": {"href": "/bulk-imports/users/other/records"}},
    ),
    "an error's field": page({"errors": [{"fields": [{"name": "import_id"}], "import_id": "other"}]}),
    "no records": b"null",
    "no object": page("import_id", 7, ["import_id"]),
    "a key like it": page({"last_import_id": "other"}, previous_import_id="other"),
}


@pytest.mark.parametrize("kind", OWN)
def test_records_of_this_import(kind: str) -> None:
    """Cells, links and keys of the kind are no proof."""
    require_own(OWN[kind], "mine", KNOWN)


def test_an_id_is_text() -> None:
    """As a number it is the same."""
    require_own(page({"import_id": 7}, importId=7), "7", KNOWN)
