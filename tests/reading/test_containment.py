"""What nobody thought of, while the source is read: it ends one import, or the rest of a list, and nothing more."""

import threading
from collections.abc import Iterator

import pytest

from etl.errors import Interrupted
from etl.extract import paging
from etl.extract.client import Client
from etl.extract.hal import Page
from etl.reading.completeness import read_pages
from etl.reading.expiry import ask_for_imports
from etl.reading.listing import link_of, read_listing
from etl.reading.reader import Source
from etl.reading.records import read_records
from tests.account import Account

EACH = pytest.mark.parametrize("error", [ValueError("secret"), MemoryError(), RecursionError()], ids=repr)


@pytest.fixture(name="source")
def _source(acme: Account) -> Iterator[Source]:
    stop = threading.Event()
    client = Client(acme.settings, stop=stop)
    yield Source.of(acme.settings, client, stop=stop)
    client.close()


def strike(monkeypatch: pytest.MonkeyPatch, step: str, import_id: str, error: Exception) -> None:
    """A step of reading raises the error for this import, and for no other."""
    real = getattr(paging, step)

    def struck(client: Client, named: str, **options: int | None) -> object:
        if import_id in named:
            raise error
        return real(client, named, **options)

    monkeypatch.setattr(paging, step, struck)


@EACH
def test_asking_for_one_import(source: Source, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The others are asked for, and what is said holds nobody's data."""
    ids = read_listing(source).ids
    odd = min(ids)
    strike(monkeypatch, "fetch_import", odd, error)
    answers = {answer.import_id: answer for answer in ask_for_imports(source, ids)}

    assert ids == answers.keys()
    assert {odd} == {import_id for import_id, answer in answers.items() if answer.item is None}
    assert str(answers[odd].failure).startswith(f"unexpected {type(error).__name__} at ")
    assert "secret" not in str(answers[odd].failure)


@EACH
def test_reading_the_records_of_one_import(source: Source, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Those of the others are read."""
    links = [link_of(row) for row in read_listing(source).rows.values()]
    odd = next(link.import_id for link in links if link.href)
    strike(monkeypatch, "record_pages", odd, error)
    found = [records for batch in read_records(source, links, set()) for records in batch]

    assert len(links) == len(found)
    assert [odd] == [records.link.import_id for records in found if records.failure is not None]


@EACH
def test_reading_a_list(error: Exception) -> None:
    """What was read before is kept, and the list is not whole."""

    def pages() -> Iterator[Page]:
        yield Page(b"[]", 2, 4, claimed=True)
        raise error

    seen: list[Page] = []
    reading = read_pages(pages, seen.append, threading.Event())

    assert (1, 2, False) == (len(seen), reading.read, reading.is_whole)
    assert str(reading.error).startswith(f"unexpected {type(error).__name__} at ")


def test_a_stop_is_no_failure_of_an_import(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends everything."""
    strike(monkeypatch, "fetch_import", "odd", Interrupted("interrupted"))

    with pytest.raises(Interrupted):
        list(ask_for_imports(source, ["odd"]))
