"""Trees become rows and rows become trees again."""

from collections import defaultdict
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from etl.rows import EntryRow
from etl.transform.trees import entries
from tests.json_items import texts, values

LABELS = ("label", "lable", "value")

keys = texts | st.sampled_from(["A", "B", "", "/", "0/A", "A/B", "001"])
leaves: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"key": keys},
    optional={"label": texts, "icon": texts, "children": st.none() | st.just([])},
)


def with_children(nodes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nodes with other nodes below them."""
    return st.builds(lambda node, children: node | {"children": children}, leaves, st.lists(nodes, max_size=4))


trees = st.lists(st.recursive(leaves, with_children, max_leaves=30), max_size=5)
anything = st.lists(
    st.recursive(
        values | leaves,
        lambda nodes: st.fixed_dictionaries(
            {},
            optional={"key": values | keys, "children": st.lists(nodes, max_size=4) | values}
            | dict.fromkeys(LABELS, values),
        ),
        max_leaves=20,
    ),
    max_size=5,
)


def rows(dict_list: list[Any]) -> list[EntryRow]:
    """The entries of a tree."""
    return [row for row in entries("f", dict_list) if isinstance(row, EntryRow)]


def tree_of(found: list[EntryRow]) -> list[Any]:
    """The tree that the rows describe, told from ids and positions alone."""
    nodes: dict[str | None, list[Any]] = defaultdict(list)
    for row in sorted(found, key=lambda row: (-row.depth, row.position)):
        node = {"key": row.key, "label": row.label, "children": nodes[row.entry_id]}
        nodes[row.parent_id].append(node | row.extra)
    return nodes[None]


def plain(nodes: list[Any]) -> list[Any]:
    """The tree with one way to say that there is no label and there are no children."""
    return [{**node, "label": node.get("label"), "children": plain(node.get("children") or [])} for node in nodes]


@given(trees)
def test_a_tree_becomes_rows_and_a_tree_again(tree: list[Any]) -> None:
    """Null, empty and absent children are the same; so are null and absent labels."""
    assert plain(tree) == tree_of(rows(tree))


@given(anything)
def test_rows_fit_together_whatever_came(nodes: list[Any]) -> None:
    """Ids are unique, parents come first, paths and labels lead on from the parent's."""
    found = rows(nodes)
    by_id: dict[str | None, EntryRow] = {}
    for row in found:
        parent = by_id.get(row.parent_id)
        assert (parent.path if parent else []) == row.path[:-1]
        assert (parent.labels if parent else []) == row.labels[:-1]
        assert (row.key, row.label, len(row.path)) == (row.path[-1], row.labels[-1], row.depth)
        assert (parent is None) == (row.parent_id is None)
        by_id[row.entry_id] = row

    assert len(found) == len(by_id)
    assert {row.entry_id for row in found if row.is_leaf} == by_id.keys() - {row.parent_id for row in found}


@given(anything)
def test_every_node_is_a_row_or_rejected_or_below_a_rejected_one(nodes: list[Any]) -> None:
    """No sibling is lost: each child of a row is a row or a rejected item."""
    expected, pending = 0, [nodes]
    for siblings in pending:
        expected += len(siblings)
        pending += [node["children"] for node in siblings if has_children(node)]

    assert expected == len(list(entries("f", nodes)))


def has_children(node: Any) -> bool:
    """True if the children of the node are looked at."""
    return isinstance(node, dict) and isinstance(node.get("children"), list) and keyed(node.get("key"))


def keyed(key: object) -> bool:
    """True if this can be the key of an entry."""
    return key is not None and not isinstance(key, bool | list | dict)


def turned(nodes: list[Any]) -> list[Any]:
    """The tree with every level in the opposite order."""
    return [{**node, "children": turned(node.get("children") or [])} for node in reversed(nodes)]


@given(trees)
def test_entry_ids_do_not_depend_on_the_order_of_siblings(tree: list[Any]) -> None:
    """Twins are told apart by their order, so the ids of a level are the same however it is ordered."""
    first_level = {row.entry_id for row in rows(tree) if row.depth == 1}

    assert first_level == {row.entry_id for row in rows(turned(tree)) if row.depth == 1}


@given(st.lists(leaves, unique_by=lambda node: node["key"], max_size=4), keys)
def test_an_entry_id_stays_when_a_level_turns_round(leaf_nodes: list[Any], key: str) -> None:
    """Where keys are unique, each path keeps its id."""
    tree = [{"key": key, "children": leaf_nodes}]
    ids = {tuple(row.path): row.entry_id for row in rows(tree)}

    assert ids == {tuple(row.path): row.entry_id for row in rows(turned(tree))}


@given(anything)
def test_flattening_a_tree_is_deterministic_and_leaves_it_alone(nodes: list[Any]) -> None:
    """The same tree gives the same rows, and is the same afterwards."""
    before = deepcopy(nodes)

    assert list(entries("f", nodes)) == list(entries("f", nodes))
    assert before == nodes
