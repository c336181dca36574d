"""Reading: what is kept of the pages, and what is not."""

from typing import Any

from etl.reading.case_fields import CaseFields


def test_case_fields_are_let_go_as_they_become_rows() -> None:
    """Of the same field the last one counts; the trees, which take the most room, are nobody's any more."""
    items: list[Any] = [{"key": "a", "name": "first"}, {"key": "b"}, {"key": "a", "name": "last"}]
    fields = CaseFields()
    fields.add(items)

    assert [] == items
    assert [("a",), ("b",)] == list(fields.rows)
    assert b"last" in fields.rows[("a",)]
