"""One page of a listing in HAL: the items, the helpers, and the links to its neighbours."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request

from etl.sandbox.answers import Refusal, target
from etl.sandbox.world.items import Item
from etl.sandbox.world.moves import BulkImport


class PageSize(NamedTuple):
    """How many items a page has when nobody asks, and at most."""

    default: int = 50
    maximum: int = 200


def hal_page(request: Request, wrapper: str, items: Sequence[object], *, address: str, size: PageSize) -> Item:
    """The page that the request asks for of the listing at that address; one past the end is empty."""
    page, per_page = _asked(request, size)
    shown = items[(page - 1) * per_page : page * per_page]
    last = max(1, -(-len(items) // per_page))
    numbers = {"self": page, "first": 1, "last": last}
    numbers |= {"next": page + 1} if page < last else {}
    numbers |= {"prev": min(page - 1, last)} if page > 1 else {}
    return {
        "count": len(shown),
        "total": len(items),
        "page": page,
        "per_page": per_page,
        "_embedded": {wrapper: shown},
        "_links": {name: {"href": _href(request, address, number, per_page)} for name, number in numbers.items()},
    }


def linked(
    bulk_import: BulkImport, address: str, *, self_address: str | None = None, has_records: bool = True
) -> object:
    """The item with its links; an export has no records, and links of the item's own stay as they are."""
    item = bulk_import.item
    if not isinstance(item, dict):
        return item
    own = f"{address}/{quote(str(item.get('id')), safe='', errors='surrogatepass')}"
    links = {"self": {"href": self_address or own}}
    if has_records and item.get("type") != "EXPORT_USERS":
        links["records"] = {"href": f"{own}/records"}
    return {"_links": links} | item


def self_linked(item: Item, address: str) -> Item:
    """The item with the address that it has by itself."""
    own = f"{address}/{quote(str(item.get('id')), safe='', errors='surrogatepass')}"
    return {"_links": {"self": {"href": own}}} | item


def _asked(request: Request, size: PageSize) -> tuple[int, int]:
    page = _number(request, "page", 1)
    return page, min(_number(request, "per_page", size.default), size.maximum)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise Refusal(400, fields={name: "must be a whole number from 1 on"})
    return int(text)


def _href(request: Request, address: str, page: int, per_page: int) -> str:
    query = dict(parse_qsl(target(request).partition("?")[2])) | {"page": page, "per_page": per_page}
    return f"{address}?{urlencode(query)}"
