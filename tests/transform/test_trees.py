"""Option trees into rows."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from etl.rows import EntryRow, Rejected
from etl.transform.trees import entries

BODIES = Path(__file__).parents[1] / "bodies"


def tree(trap: str) -> list[Any]:
    """The dictionary of the field that the body of this name holds."""
    body = msgspec.json.Decoder(float_hook=Decimal).decode((BODIES / f"{trap}.json").read_bytes())
    return list(body[0]["dict_list"])


def rows(dict_list: list[Any]) -> list[EntryRow]:
    """The entries of a tree."""
    return [row for row in entries("f", dict_list) if isinstance(row, EntryRow)]


def rejected(dict_list: list[Any]) -> list[Rejected]:
    """The nodes of a tree that cannot be keyed."""
    return [row for row in entries("f", dict_list) if isinstance(row, Rejected)]


def test_a_tree_becomes_one_row_a_node() -> None:
    """Parents come first; paths and labels lead from the root to the node itself."""
    leaf = {"key": "A1", "lable": "Laptop", "children": None}
    first, second, third = rows(
        [
            {"key": "A", "lable": "Hardware", "children": [leaf]},
            {"key": "B", "lable": "Other", "color": "red"},
        ]
    )

    assert (
        EntryRow(
            field_key="f",
            entry_id=first.entry_id,
            key="A",
            label="Hardware",
            path=["A"],
            labels=["Hardware"],
            parent_id=None,
            depth=1,
            position=0,
            is_leaf=False,
            extra={},
        )
        == first
    )
    assert (
        EntryRow(
            field_key="f",
            entry_id=second.entry_id,
            key="A1",
            label="Laptop",
            path=["A", "A1"],
            labels=["Hardware", "Laptop"],
            parent_id=first.entry_id,
            depth=2,
            position=0,
            is_leaf=True,
            extra={},
        )
        == second
    )
    assert (["B"], 1, True, {"color": "red"}) == (third.path, third.position, third.is_leaf, third.extra)


def test_entry_ids_are_the_same_for_ever() -> None:
    """Stored ids of every warehouse depend on these; a change here is a migration."""
    found = rows([{"key": "A", "children": [{"key": "A1"}]}, {"key": "A"}])

    assert [
        "04b2c7c233b3e0d414f58ca92d2aee25",
        "e87f900b6f49e66534f380a030c4e79b",
        "8a283d6bf969dca821d4b78c42b10c35",
    ] == [row.entry_id for row in found]


def test_an_entry_id_does_not_depend_on_neighbours() -> None:
    """Entries that come, go or change places leave the ids of the others alone."""
    few = rows([{"key": "B", "children": [{"key": "C"}]}])
    many = rows([{"key": "A"}, {"key": "B", "label": "b", "children": [{"key": "A"}, {"key": "C"}]}, {"key": "C"}])

    assert {"B": few[0].entry_id, "B/C": few[1].entry_id}.items() <= {
        "/".join(row.path): row.entry_id for row in many
    }.items()


def test_labels_stand_under_three_keys() -> None:
    """`label`, `lable`, `value`, in this order; what is left over and what is no text goes to extra."""
    found = rows(tree("tree_labels_in_every_spelling"))

    assert [
        ("as in the sample", {}),
        ("as in the table", {}),
        ("as in the cases", {"value": "003"}),
        ("4", {"lable": ["no text"]}),
        (None, {}),
    ] == [(row.label, row.extra) for row in found]


def test_siblings_with_the_same_key_are_all_kept() -> None:
    """They are told apart by their order among themselves; a number and its text are one key."""
    found = rows(tree("tree_siblings_with_the_same_key"))

    assert [["A"], ["A", "A"], ["A", "A"], ["B"], ["B", "A"], ["A"], ["A", "A"], ["1"], ["1"]] == [
        row.path for row in found
    ]
    assert [0, 0, 1, 1, 0, 2, 0, 3, 4] == [row.position for row in found]
    assert len(found) == len({row.entry_id for row in found})


def test_children_that_are_no_list_are_kept() -> None:
    """Null, absent and empty children are none; anything else goes to extra, and the node is a leaf."""
    found = rows(tree("tree_children_that_are_no_list"))

    assert [{"children": "none"}, {"children": {"key": "A"}}, {}, {}, {}] == [row.extra for row in found]
    assert all(row.is_leaf for row in found)


def test_a_node_that_cannot_be_keyed_leaves_its_siblings_alone() -> None:
    """It is rejected with what is below it; positions count it; a parent of such nodes alone is a leaf."""
    found = rows(tree("tree_nodes_that_cannot_be_keyed"))

    assert [
        (["before"], 0, True),
        ([""], 6, True),
        (["parent of nobody"], 7, True),
        (["after"], 8, False),
        (["after", "child"], 1, True),
    ] == [(row.path, row.position, row.is_leaf) for row in found]


def test_a_rejected_node_says_why() -> None:
    """The item is the node with its subtree; the reason names the field and quotes nothing of the node."""
    found = rejected(tree("tree_nodes_that_cannot_be_keyed"))

    assert [
        ("null", "it is no object"),
        ('"text"', "it is no object"),
        ('{"value":"no key","children":[{"key":"lost with its parent"}]}', "it has no key"),
        ('{"key":null}', "its key is null"),
        ('{"key":["A"]}', "its key is neither text nor a number"),
        ("null", "it is no object"),
        ('{"value":"no key"}', "it has no key"),
        ("null", "it is no object"),
    ] == [(node.item, node.reason.removeprefix("entry of case field 'f': ")) for node in found]
    assert {("case_field_entries", None)} == {(node.resource, node.import_id) for node in found}


def test_no_key_imitates_a_path() -> None:
    """Keys that hold separators, quotes or words of SQL are keys like others."""
    found = rows(tree("tree_keys_like_separators"))

    assert len(found) == len({row.entry_id for row in found})
    assert ["a", "b", "c"] in [row.path for row in found]
    assert ["a", "b/c"] in [row.path for row in found]


def test_a_deep_tree_is_flattened() -> None:
    """5,000 levels need no recursion."""
    nodes: list[Any] = []
    for _ in range(5000):
        nodes = [{"key": "k", "children": nodes}]
    found = rows(nodes)

    assert (5000, 5000, True) == (len(found), found[-1].depth, found[-1].is_leaf)
    assert len(found) == len({row.entry_id for row in found})


def test_a_wide_tree_with_long_keys_is_flattened() -> None:
    """20,000 siblings with keys of 4,000 characters are 20,000 rows."""
    found = rows([{"key": f"{number:04000}"} for number in range(20_000)])

    assert len(found) == len({row.entry_id for row in found}) == 20_000
    assert list(range(20_000)) == [row.position for row in found]


def test_links_and_nulls_are_left_out() -> None:
    """What is left of a node is what no column took."""
    (row,) = rows([{"key": "A", "label": None, "icon": None, "_links": {"self": {}}, "extra": {"extra": 1}}])

    assert {"extra": {"extra": 1}} == row.extra
