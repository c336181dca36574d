"""Case fields with dictionary trees."""

import random
from typing import Any

from tests.bench.sizes import Size


def case_fields(rng: random.Random, size: Size) -> list[dict[str, Any]]:
    """The answer of the case-fields resource; in a renamed account one leaf of the last tree has another label."""
    shares = [size.nodes // size.fields] * size.fields
    shares[-1] += size.nodes % size.fields
    fields = [_case_field(rng, number, share, depth=size.depth) for number, share in enumerate(shares)]
    if size.is_renamed:
        _last_leaf(fields[-1])["value"] += " (renamed)"
    return fields


def _case_field(rng: random.Random, number: int, nodes: int, *, depth: int) -> dict[str, Any]:
    return {
        "key": f"case_field_{number}",
        "name": f"Case field {number}",
        "type": "001",
        "description": f"What the agent picks for {number}" if number % 4 else None,
        "dict_list": _tree(rng, number, nodes, depth=depth),
        "required": number % 3 == 0,
        "active": number % 10 != 9,
        "created_at": f"2024-01-{number % 28 + 1:02d}T08:00:00.000Z",
        "updated_at": f"2024-02-{number % 28 + 1:02d}T08:00:00.000Z",
    }


def _tree(rng: random.Random, field: int, nodes: int, *, depth: int) -> list[dict[str, Any]]:
    """So many nodes, each under a random one that is not at the last level; the first five are roots."""
    roots: list[dict[str, Any]] = []
    parents: list[tuple[int, list[dict[str, Any]]]] = []
    for number in range(nodes):
        children: list[dict[str, Any]] = []
        level, siblings = (0, roots) if number < 5 else rng.choice(parents)
        node = {"key": f"option_{field}_{number}", "value": f"Option {number} of {field}", "children": children}
        siblings.append(node)
        if level + 1 < depth:
            parents.append((level + 1, children))
    return roots


def _last_leaf(field: dict[str, Any]) -> dict[str, Any]:
    children = field["dict_list"]
    while True:
        node: dict[str, Any] = children[-1]
        if not node["children"]:
            return node
        children = node["children"]
