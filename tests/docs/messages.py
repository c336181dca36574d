"""What the program can say when something is wrong: the words of its errors and warnings, read from the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import etl

HOUSE = Path(etl.__file__).parent
NOT_FOR_OPERATORS = ("sandbox", "commands/demo")
RAISED = {
    "UsageError",
    "ValueError",
    "DatabaseError",
    "LockHeld",
    "NotAnErrorsFileError",
    "NotJson",
    "NotStorable",
    "NotWritten",
    "SourceChanged",
    "SourceMalformed",
    "SourceRefused",
    "SourceUnavailable",
    "WarehouseReplaced",
    "FramingError",
}
LOGGED = {"warning", "error"}
KEPT = {"message", "WORDS", "_REASONS"}
"""Names that hold what will be said."""

HOLE = "\0"
PARTS = re.compile(rf"{HOLE}|%(?:\.\d)?[srdf]|; |: |[(\n]")
LEAST = 12
"""Shorter pieces of a sentence are no sign of it."""


def said() -> Iterator[tuple[str, str]]:
    """Yield where each message stands, and the first piece of it that varies with nothing."""
    for file in sorted(HOUSE.rglob("*.py")):
        place = str(file.relative_to(HOUSE))
        if not place.startswith(NOT_FOR_OPERATORS):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            known = dict(_constants(tree))
            for number, message in _messages(tree, known):
                if piece := next((part for part in map(_bare, PARTS.split(message)) if len(part) >= LEAST), None):
                    yield f"etl/{place}:{number}", piece


def _bare(piece: str) -> str:
    return piece.strip(" ,.'`")


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, _text(node.value, {})


def _messages(tree: ast.Module, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _name(node) in KEPT:
            words = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            yield from ((node.lineno, _text(word, known)) for word in words)
        if isinstance(node, ast.Call) and node.args and _is_said(node.func):
            yield node.lineno, _text(node.args[0], known)


def _name(node: ast.Assign | ast.AnnAssign) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _is_said(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in RAISED
    return isinstance(called, ast.Attribute) and called.attr in LOGGED and ast.unparse(called.value) == "log"


def _text(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, known) for part in node.values)
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    return HOLE
