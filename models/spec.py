"""How a network that is not ours is written: PLACE:FACTORY(ARGUMENTS), and lists. Nothing is looked up."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from models.errors import UserError

LITERALS = "numbers, strings, True, False, None, and lists, tuples and dicts of these"

_CALL = re.compile(r":[\w.]+\(")
_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[\[({]|[\])}]", re.DOTALL)


class Literals(Struct, frozen=True):
    """What a factory is called with: literals of Python."""

    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}


class Spec(Struct, frozen=True):
    """A network's name, taken apart; `place` is empty where there is no colon."""

    place: str
    factory: str
    arguments: Literals = Literals()


def read(spec: str) -> Spec:
    """`a/net.py:build(width=2)` taken apart at the colon before the factory; a path may hold colons too.

    Raises UserError for arguments that are no literals of Python.
    """
    calls = [match.start() for match in _CALL.finditer(spec)] if spec.endswith(")") else []
    for colon in calls:
        factory, bracket, rest = spec[colon + 1 :].partition("(")
        arguments = _arguments(spec, bracket + rest)
        if arguments is not None:
            return Spec(spec[:colon], factory, arguments)
    place, _, factory = spec.rpartition(":")
    if calls or "(" in factory:
        raise UserError(f"cannot read the arguments of {spec!r}. Write them as in Python: build(width=2)")
    return Spec(place, factory)


def _arguments(spec: str, text: str) -> Literals | None:
    """The arguments in `text`, brackets included; None where it is something else."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in strings
            tree = ast.parse(f"f{text}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        return None
    names = [keyword.arg for keyword in tree.keywords]
    for each in names:
        if each is None or names.count(each) > 1:
            raise UserError(
                f"{spec!r} gives the argument {each!r} twice" if each else _not_literal(spec, "**")
            )
    return Literals(
        tuple(_literal(spec, node) for node in tree.args),
        {str(keyword.arg): _literal(spec, keyword.value) for keyword in tree.keywords},
    )


def _literal(spec: str, node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise UserError(_not_literal(spec, ast.unparse(node))) from None


def _not_literal(spec: str, text: str) -> str:
    return f"{text!r} in {spec!r} is not a literal: arguments are {LITERALS}"


def split(text: str) -> list[str]:
    """The parts of a list between its commas, but for commas inside a factory's arguments."""
    parts, began, at = [], 0, 0
    ends = dict(_calls(text))
    while at < len(text):
        if text[at] == ",":
            parts.append(text[began:at])
            began = at + 1
        at = ends.get(at, at + 1)
    return [*parts, text[began:]]


def _calls(text: str) -> Iterator[tuple[int, int]]:
    """Where each factory's arguments begin and end; none of those that are never closed."""
    for call in _CALL.finditer(text):
        depth = 1
        for token in _TOKEN.finditer(text, call.end()):
            depth += (token[0] in "[({") - (token[0] in "])}")
            if depth == 0:
                yield call.start(), token.end()
                break
