"""Asking for the imports that a listing lacks."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from etl.errors import SOURCE_ERRORS, EtlError, NotFound, SourceMalformed
from etl.extract import paging
from etl.jsontext import parse_json
from etl.reading.reader import Source
from etl.threads import parallel
from etl.transform.imports import import_row


class Asked(NamedTuple):
    """What the source says of one import when asked for it by itself; `item` is None if it has forgotten it."""

    import_id: str
    item: object | None
    failure: EtlError | None = None


def ask_for_imports(source: Source, ids: Iterable[str]) -> Iterator[Asked]:
    """Ask the source for each import by itself."""
    for batch in parallel(lambda id_: _ask(source, id_), ids, workers=source.concurrency, stop=source.stop):
        yield from batch


def _ask(source: Source, import_id: str) -> Asked:
    try:
        item = parse_json(paging.fetch_import(source.client, import_id))
        if getattr(import_row(item), "import_id", None) != import_id:
            raise SourceMalformed("the source was asked for one import and answered with something else")
        return Asked(import_id, item)
    except NotFound:
        return Asked(import_id, None)
    except SOURCE_ERRORS as error:
        return Asked(import_id, None, failure=error)
