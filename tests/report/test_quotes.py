"""No cell is quoted, however it is spelled; what is said besides stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.report.quotes import name_without_cells, without_cells

CELLS = {"Full Name": "Ada Lovelace", "Email": "ada@example.com", "Ext": 918273, "Skills": ["Billing", {"a": "Sales"}]}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Email is already in use", "Email is already in use"),
        ("'Eve' isn't a name, can't be used", "… isn't a name, can't be used"),
        ("ADA lovelace is taken", "… is taken"),
        ("Ada%20Lovelace is taken", "… is taken"),
        ("who@example.org exists", "… exists"),
        ("extension 123 is taken", "extension … is taken"),
        ("sales or billing?", "… or …?"),
        ("AdaLovelace is taken", None),
        ("at most 8 characters", "at most 8 characters"),
    ],
)
def test_what_is_left_of_a_message(message: str, shown: str | None) -> None:
    assert shown == without_cells(message, CELLS)


def test_names_are_whole_or_not_there() -> None:
    assert "email_taken" == name_without_cells("email_taken", CELLS)
    assert "E-1003" == name_without_cells("E-1003", CELLS)
    assert None is name_without_cells("no_ada_lovelace", CELLS)


def test_without_the_record_nothing_is_known() -> None:
    assert None is without_cells("anything", None)


@given(cell=st.from_regex(r"\A[a-z]{4,12}( [a-z]{4,12})?\Z"), before=st.text(max_size=8), after=st.text(max_size=8))
def test_no_cell_is_in_what_is_shown(cell: str, before: str, after: str) -> None:
    shown = without_cells(f"{before}{cell}{after}", {"a": cell})

    assert shown is None or cell not in shown
