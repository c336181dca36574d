"""No error tells a hashed cell, however it spells it."""

import html
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from etl.jsontext import json_text
from etl.rows import Rejected
from etl.transform.privacy import Privacy
from etl.transform.quoting import Secrets
from etl.transform.records import FlatRecord, RecordFlattener

HASH = Privacy(hash_columns=frozenset({"Email", "Full Name", "Note"}), hash_key=b"key")
DROP = Privacy("drop")
CELLS = [
    "anna.schmidt@firma.example",
    "o'brien&s\u00f6ns@ex\u00e4mple.com",
    ' Ren\u00e9e "Zo\u00eb"  O\'Brien &  S\u00f6hne\u00a0',
    "STRA\u1e9eE \u0130pek \ufb01nch\u0131",
    "\uff21\uff24\uff21 Lovelace",
    "Anna & Co + 50%20 <x>",
    "\u0434\u0436\u0435\u0439\u043d \u0434\u043e",
    "\u738b \u5c0f\u660e",
]
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "blanks": lambda cell: f"\t {cell.replace(' ', '  ')} ",
    "no-break blanks": lambda cell: cell.replace(" ", "\u00a0\u202f"),
    "no blanks": lambda cell: "".join(cell.split()),
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "upper": str.upper,
    "title": str.title,
    "swapped": lambda cell: cell.lower().swapcase(),
    "decomposed": lambda cell: unicodedata.normalize("NFD", cell),
    "compatible": lambda cell: unicodedata.normalize("NFKC", cell),
    "full width": lambda cell: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in cell),
    "html": html.escape,
    "html twice": lambda cell: html.escape(html.escape(cell)),
    "html numbers": lambda cell: "".join(f"&#{ord(c)};" for c in cell),
    "html hex": lambda cell: "".join(f"&#x{ord(c):X};" for c in cell),
    "url": lambda cell: quote(cell, safe=""),
    "url plus": quote_plus,
    "url twice": lambda cell: quote(quote(cell)),
    "url in html": lambda cell: html.escape(quote(cell)),
    "json": lambda cell: msgspec.json.encode(cell).decode(),
    "json twice": lambda cell: json_text(json_text(cell)),
    "escapes": lambda cell: "".join(f"\\u{ord(c):04x}" for c in cell),
    "bytes": lambda cell: "".join(f"\\x{ord(c):02x}" if ord(c) < 256 else c for c in cell),
    "url escapes": lambda cell: "".join(f"%u{ord(c):04X}" for c in cell),
    "quotes": lambda cell: cell.replace("'", "\\'").replace('"', '""'),
}


def one(item: dict[str, Any], privacy: Privacy = HASH) -> FlatRecord:
    """The one record of an import, which is not rejected."""
    (found,) = RecordFlattener("i", privacy).rows([item])
    assert not isinstance(found, Rejected)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("form", FORMS)
def test_a_quoted_cell_is_known_in_every_form(form: str, cell: str) -> None:
    """As a text, a code, a field's name, an id."""
    said = FORMS[form](cell)

    assert Secrets([cell]).in_text(f"the value {said} is taken")
    assert Secrets([cell]).in_name(said)


@pytest.mark.parametrize("column", ["code", "message", "description", "field", "field_description", "hint"])
def test_wherever_an_error_quotes_a_cell_it_goes(column: str) -> None:
    """Into no column, and into no extra."""
    error = {"code": "e1", "field": "Email"} | {column: "Anna%2ESchmidt&#64;FIRMA.example"}
    _, (row,) = one({"Email": "anna.schmidt@firma.example", "errors": [error]})

    assert "chmidt" not in str(row).lower()
    assert row.code == (None if column == "code" else "e1")
    assert row.field == (None if column == "field" else "Email")


@pytest.mark.parametrize("part", ["anna.schmidt", "Schmidt", "firma", "Li"])
def test_a_part_of_a_cell_is_a_quote(part: str) -> None:
    """Of a name, of an address: its words, the short ones as words."""
    _, (row,) = one({"Email": "anna.schmidt@firma.example", "Full Name": "Li Wei", "error": f"no {part}!"})

    assert row.message is None


def test_other_texts_stay() -> None:
    """Also if a short word of a cell stands within one of theirs."""
    cells = {"Email": "li@firma.example", "Full Name": "Li Wei"}
    error = {"code": "E-1", "message": "Ring group Sales is limited", "fields": {"Ring Groups": "too long"}}
    _, (row,) = one({"data": cells, "errors": [error]})

    assert ("E-1", "Ring group Sales is limited", "Ring Groups", "too long") == (row.code, row.message, *row[5:7])


@pytest.mark.parametrize("cell", ["7", "***", ["x"], {"a": "b"}, True, "\u20ac"])
def test_what_cannot_be_told_goes_whole(cell: object) -> None:
    """A cell that is found in every text, or has no text; what looks like a code, and the column's name, stay."""
    _, (row,) = one({"Email": cell, "error": {"code": "E-1", "message": "line 17 is bad", "field": "Email"}})

    assert ("E-1", None, "Email") == (row.code, row.message, row.field)


@pytest.mark.parametrize("text", ["\ufffd is taken", "%F6 is taken", "%25252525252540"])
def test_a_text_that_cannot_be_read_goes_whole(text: str) -> None:
    """Its bytes are gone, or it was escaped over and over."""
    assert Secrets(["anna"]).in_text(text)


def test_a_blank_cell_has_nothing_to_quote() -> None:
    """Nor has an absent one."""
    _, (row,) = one({"Email": " ", "Note": None, "error": "email is empty"})

    assert row.message == "email is empty"


def test_an_id_that_quotes_a_cell_is_hashed() -> None:
    """So is the record's key, which is made of it; a status, too."""
    record, _ = one({"id": "ANNA@firma.example", "status": "no anna@firma.example", "Email": "anna@firma.example"})

    assert "anna" not in str(record).lower()
    assert record.record_key == f"id:{record.record_id}"


def test_cells_that_tell_of_errors_are_hashed_where_they_quote_another() -> None:
    """Beside the record's own keys and under `data`, objects, too; others stay."""
    data = {"Email": "anna@firma.example", "errors": [{"message": "Anna@Firma.example"}], "Error 2": "none"}
    record, rows = one({"error_text": "anna@firma.example is taken", "Reason": ["ANNA%40firma.example"], "data": data})

    assert b"nna" not in record.data.lower()
    assert "none" == msgspec.json.decode(record.data)["Error 2"]
    assert () == rows


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ("email.taken", "email.taken"),
        (None, "anna@firma.example"),
        (None, "Ada"),
        (None, "taken by Bert"),
        (None, "E-" * 40),
    ],
)
def test_where_cells_are_dropped_a_code_stays_that_looks_like_one(expected: str | None, code: str) -> None:
    """Unless it repeats a cell; the name of a column stays in any form."""
    error = {"code": code, "fields": ["Full Name", code]}
    record, (first, second) = one({"id": "a", "data": {"Full Name": "Ada"}, "error": error}, DROP)

    assert (expected, "Full Name", expected) == (first.code, first.field, second.field)
    assert b"{}" == record.data


def test_many_cells_and_many_errors_are_not_compared_for_ever() -> None:
    """Beyond a bound the texts go."""
    cells = {f"c{number}": f"value {number}" for number in range(5_000)}
    privacy = Privacy(hash_columns=frozenset(cells), hash_key=b"key")
    _, rows = one(cells | {"errors": ["no such thing"] * 5_000}, privacy)

    assert (5_000, None) == (len(rows), rows[-1].message)
