"""Holding what arrived against what was asked: records that say they are another import's are refused.

A page says so by any other id than the import's. A record may have a cell of such a name by chance, so it says so
only by the id of another import of the listing. A `self` link proves nothing: the vendor documents that of an item
as the list's own.
"""

from collections.abc import Container

from etl.errors import SourceMalformed
from etl.extract import identity
from etl.extract.endpoints import RECORDS


def require_own(body: bytes, import_id: str, known: Container[str]) -> None:
    """Raise if a page of records, or a record on it, says that it is of another import; `known` are all imports."""
    owners = identity.owners(body, prefer=RECORDS.wrappers)
    if owners.page - {import_id}:
        raise SourceMalformed("a page of the records says that it is of another import")
    if any(owner in known for owner in owners.items - {import_id}):
        raise SourceMalformed("a record says that it is of another import")
