"""The vendor's error file, of which nobody documents a column, in whatever dialect it comes."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.transform.errors_file import NotAnErrorsFileError, read_errors_file

PLAIN = 'Line,Current Email,Full Name,Error\r\n7,ada@example.com,"Lovelace, Ada\nKing",No such user: é\r\n'
RECORD = {
    "line": 7,
    "status": "FAILED",
    "data": {"Current Email": "ada@example.com", "Full Name": "Lovelace, Ada\nKing"},
    "errors": [{"message": "No such user: é"}],
}


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("latin-1"),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\r\n", "\n").encode(),
        PLAIN.replace("\r\n", "\r").encode(),
        PLAIN.replace(",", ";").replace("Lovelace;", "Lovelace,").encode(),
        PLAIN.replace(",", "\t").replace("Lovelace\t", "Lovelace,").encode(),
        PLAIN.replace("\r\n7", "\r\n\r\n , \r\n7").encode(),
    ],
    ids=["plain", "mark", "latin-1", "utf-16", "lf", "cr", "semicolons", "tabs", "blank lines"],
)
def test_dialects(body: bytes) -> None:
    found = read_errors_file(body)
    assert ["Current Email", "Full Name"] == found.columns
    assert [RECORD] == found.records


@pytest.mark.parametrize("line", ["line", "ROW", "Line Number", "row_no", "Row #", "Line-Number", "line no."])
@pytest.mark.parametrize("message", ["error", "Errors", "ERROR MESSAGE", "message", "Reason", "error_message"])
def test_names_of_what_tells_of_errors(line: str, message: str) -> None:
    (record,) = read_errors_file(f"{message},Email,{line}\nbad,a@b,0012\n".encode()).records
    assert {"line": 12, "status": "FAILED", "data": {"Email": "a@b"}, "errors": [{"message": "bad"}]} == record


def test_one_of_the_two_will_do() -> None:
    assert [{"status": "FAILED", "data": {"Email": "a"}, "errors": [{"message": "bad"}]}] == read_errors_file(
        b"Email,Reason\na,bad\n"
    ).records
    assert [{"line": 3, "status": "FAILED", "data": {"Email": "a"}}] == read_errors_file(b"row;Email\n3;a\n").records


def test_what_is_odd_is_kept() -> None:
    """A line that is no number, names that are twins or missing, rows that are short or long."""
    body = b"line,Email,Email,,error\nsecond,a,b,c,bad,more\n4,x\n"
    first, second = read_errors_file(body).records
    cells: dict[str, Any] = {"line": "second", "Email": "a", "Email (3)": "b", "(4)": "c", "(6)": "more"}
    assert {"status": "FAILED", "data": cells, "errors": [{"message": "bad"}]} == first
    assert {"line": 4, "status": "FAILED", "data": {"Email": "x"}} == second


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b'{"code": "not_found", "message": "gone"}', "no column"),
        (b"<!DOCTYPE html><html><title>Log in</title></html>", "no column"),
        (b"PK\x03\x04\x00\x00\xff\xfe", "no column"),
        (b"Email,Full Name\na,b\n", "no column"),
        (b'Line,Email,Error\n2,"a,bad\n3,b,bad\n', "within a quoted cell"),
    ],
)
def test_another_form_is_none(body: bytes, why: str) -> None:
    with pytest.raises(NotAnErrorsFileError, match=why):
        read_errors_file(body)


def test_a_quote_of_another_separator_opens_no_cell() -> None:
    (record,) = read_errors_file(b'Line;5"x,"y;Error\n2;a;bad\n').records
    assert {'5"x,"y': "a"} == record["data"]


def test_uneven_rows_may_be_left_out() -> None:
    """Where cells are to be hashed nobody may guess which is which."""
    body = b"Line,Name,Email,Error\n2,Lovelace, Ada,a@b,bad\n3,Bo,b@b,bad\n4,c@b,bad\n"
    found = read_errors_file(body, may_guess=False)
    assert [3] == [record["line"] for record in found.records]
    assert ["2", "4"] == [row[0] for row in found.uneven]
    assert [2, 3, 4] == [record["line"] for record in read_errors_file(body).records]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)


@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5), between=st.sampled_from(",;\t"))
def test_every_cell_comes_through(rows: list[list[str]], between: str) -> None:
    """Whatever it holds: separators, quotes, breaks of lines."""
    text = io.StringIO()
    csv.writer(text, delimiter=between).writerows([["Line", "One", "Two", "Three", "Error"]])
    csv.writer(text, delimiter=between).writerows([[n, *row, "bad"] for n, row in enumerate(rows)])
    found = read_errors_file(text.getvalue().encode()).records
    assert rows == [[record["data"][name] for name in ("One", "Two", "Three")] for record in found]
