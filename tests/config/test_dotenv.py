"""`.env`: what is written there is what the program gets."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.config import load_accounts
from etl.config.dotenv import read_dotenv
from etl.errors import UsageError

FILE = Path(".env")


def read(text: str) -> dict[str, str]:
    FILE.write_text(text, encoding="utf-8")
    return read_dotenv(FILE)


@pytest.mark.parametrize(
    "value",
    [
        "pa$$word",
        "${HOME}",
        "$HOME/x",
        "a #b",
        "a #",
        "#a",
        "it's",
        'say "no"',
        '"a" and "b"',
        r"back\nslash",
        "a=b",
        "a\tb",
        "ä ö",
        '"unclosed',
    ],
)
def test_a_value_is_taken_as_written(value: str) -> None:
    """Nothing is expanded, escaped or cut; only blanks at its ends go."""
    assert {"A": value, "B": "2"} == read(f"A= {value} \nB=2\n")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1))
def test_any_value_in_quotes(value: str) -> None:
    """A value that holds no such quote comes back, whatever else it holds."""
    quote = next((mark for mark in "'\"" if mark not in value), None)
    if quote:
        assert {"A": value} == read(f"A={quote}{value}{quote}")


def test_what_people_write() -> None:
    """Comments, blank lines, `export`, quotes with a comment behind them, and a key over several lines."""
    text = "# c\n\n  export A=1\nB='x # y'  # said so\nC=\nKEY=\"-----BEGIN\nabc\n-----END\"\r\nA=2\n   # end"

    assert {"A": "2", "B": "x # y", "C": "", "KEY": "-----BEGIN\nabc\n-----END"} == read(text)


def test_a_mark_at_the_beginning() -> None:
    """An editor on Windows writes one before the first name."""
    FILE.write_bytes(b"\xef\xbb\xbfA=1\r\n")

    assert {"A": "1"} == read_dotenv(FILE)


@pytest.mark.parametrize("line", ["no equals sign", "1A=x", "=x", "A B=x"])
def test_a_line_that_says_nothing(line: str) -> None:
    """It is named by its number, not by what stands there."""
    with pytest.raises(UsageError, match=r"^\.env line 3 is no NAME=value$"):
        read(f"A=1\nB='2'\n{line}\n")


def test_a_secret_with_every_trap(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches the settings whole."""
    FILE.write_text("TALKDESK_ACCOUNT=acme\nTALKDESK_CLIENT_ID=id\nTALKDESK_CLIENT_SECRET=$a #b${c}'\n")
    monkeypatch.setenv("c", "expanded")
    (account,) = load_accounts()

    assert account.client_secret is not None
    assert "$a #b${c}'" == account.client_secret.get_secret_value()
