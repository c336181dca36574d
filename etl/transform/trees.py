"""Option trees of case fields into rows, one a node; pure and without recursion.

A node as it arrives, with what is below it; a leaf's children are null, absent or empty:

    {"key": "A", "lable": "Europe", "children": [
        {"key": "A1", "lable": "Lisbon", "children": null},
        {"key": "A2", "lable": "Porto"}]}
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from etl.jsontext import json_text
from etl.rows import EntryRow, Rejected
from etl.transform.columns import Column, parse_text, take, unkeyed

_LABEL = Column(parse_text, ("label", "lable", "value"))
"""The API says `value` in its table and `lable` in its sample; beside a label, `value` may be the key."""


def entries(field_key: str, dict_list: list[Any]) -> Iterator[EntryRow | Rejected]:
    """Yield every node, parents first; one that cannot be keyed is rejected with all that is below it.

    `position` counts siblings as they came, rejected ones, too.
    """
    levels = [_siblings(_root(field_key), dict_list)]
    while levels:
        found = next(levels[-1], None)
        if found is None:
            levels.pop()
            continue
        row, children = found
        yield row
        if isinstance(row, EntryRow) and children:
            levels.append(_siblings(row, children))


def _root(field_key: str) -> EntryRow:
    """Return what the first level hangs on; no row of the tree itself."""
    nothing: list[Any] = []
    return EntryRow(
        field_key=field_key,
        entry_id="",
        key="",
        label=None,
        path=nothing,
        labels=nothing,
        parent_id=None,
        depth=0,
        position=0,
        is_leaf=False,
        extra={},
    )


def _siblings(parent: EntryRow, nodes: list[Any]) -> Iterator[tuple[EntryRow | Rejected, list[Any]]]:
    twins: defaultdict[str, int] = defaultdict(int)
    for position, node in enumerate(nodes):
        key = _key(node)
        if key is None:
            yield _rejected(parent.field_key, node), []
        else:
            yield _entry(parent, node, key=key, twin=twins[key], position=position)
            twins[key] += 1


def _entry(parent: EntryRow, node: dict[str, Any], *, key: str, twin: int, position: int) -> tuple[EntryRow, list[Any]]:
    extra = {name: value for name, value in node.items() if value is not None}
    del extra["key"]
    extra.pop("_links", None)
    label = take(extra, _LABEL)
    children = extra.pop("children") if isinstance(extra.get("children"), list) else []
    row = EntryRow(
        field_key=parent.field_key,
        entry_id=_entry_id(parent.entry_id, key, twin=twin),
        key=key,
        label=label,
        path=[*parent.path, key],
        labels=[*parent.labels, label],
        parent_id=parent.entry_id or None,
        depth=parent.depth + 1,
        position=position,
        is_leaf=not any(_key(child) is not None for child in children),
        extra=extra,
    )
    return row, children


def _key(node: Any) -> str | None:
    return parse_text(node.get("key")) if isinstance(node, dict) else None


def _entry_id(parent_id: str, key: str, *, twin: int) -> str:
    """Return the same for the same path, whatever stands beside it; twins are told apart by their order alone.

    The parent's id has a fixed length and the number ends at the slash, so no key can imitate another path.
    """
    from hashlib import blake2b  # noqa: PLC0415 - with it comes OpenSSL, see etl.transform.privacy

    return blake2b(f"{parent_id}/{twin}/{key}".encode(), digest_size=16).hexdigest()


def _rejected(field_key: str, node: object) -> Rejected:
    reason = f"entry of case field {field_key[:80]!r}: {unkeyed(node, 'key')}"
    return Rejected("case_field_entries", None, json_text(node), reason)
