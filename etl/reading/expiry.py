"""Which of the imports that a listing lacks the source has forgotten; the one rule, for sync and verify."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from etl.errors import EtlError, Interrupted, NotFound, SourceMalformed, named
from etl.extract import paging
from etl.jsontext import parse_json
from etl.reading.listing import Listing
from etl.reading.reader import Source
from etl.threads import parallel
from etl.transform.imports import import_row


class Asked(NamedTuple):
    """What the source says of one import when asked for it by itself; `item` is None if it has forgotten it."""

    import_id: str
    item: object | None
    failure: EtlError | None = None


class Forgotten(NamedTuple):
    """What became of the imports that a listing lacks: forgotten, still there after all, or not known."""

    gone: list[str]
    found: list[object]
    failed: list[tuple[str, EtlError]]


def find_forgotten(source: Source, listing: Listing, missing: Mapping[str, bool]) -> Forgotten:
    """Tell of each missing import what became of it; `missing` says of each whether its retention is over.

    One past the retention is gone at once, unless the list was empty; any other is asked for by itself.
    """
    over = [import_id for import_id, is_over in missing.items() if is_over and listing.ids]
    forgotten = Forgotten(over, [], [])
    for answer in ask_for_imports(source, missing.keys() - over):
        if answer.failure is not None:
            forgotten.failed.append((answer.import_id, answer.failure))
        elif answer.item is None:
            forgotten.gone.append(answer.import_id)
        else:
            forgotten.found.append(answer.item)
    return forgotten


def ask_for_imports(source: Source, ids: Iterable[str]) -> Iterator[Asked]:
    """Ask the source for each import by itself."""
    for batch in parallel(lambda id_: _ask(source, id_), ids, workers=source.concurrency, stop=source.stop):
        yield from batch


def _ask(source: Source, import_id: str) -> Asked:
    try:
        return Asked(import_id, _own(import_id, parse_json(paging.fetch_import(source.client, import_id))))
    except NotFound:
        return Asked(import_id, None)
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - one import, whatever is odd about it, ends no other
        return Asked(import_id, None, failure=named(error))


def _own(import_id: str, item: object) -> object:
    if getattr(import_row(item), "import_id", None) != import_id:
        raise SourceMalformed("the source was asked for one import and answered with something else")
    return item
