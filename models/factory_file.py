"""What a user's file defines, read without running it; no torch."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from models.errors import UserError, nearest

_NO_PYTHON = {
    ".ipynb": "a notebook. Convert it: jupyter nbconvert --to script FILE",
    ".pyc": "compiled Python. Give the source, a .py file",
    ".so": "a compiled library. Give a .py file that imports it",
    **dict.fromkeys(
        (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".npz", ".h5"),
        "of weights, not code that builds a network",
    ),
    ".onnx": "a graph, not code that builds a network",
    **dict.fromkeys((".json", ".yaml", ".yml", ".toml"), "a configuration, not code that builds a network"),
}
"""Endings of files that people name -> what such a file is."""


def expand(path: Path) -> Path:
    """The path with the home folder in the place of a `~` that the shell left."""
    if not path.parts[:1] or not path.parts[0].startswith("~") or path.exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # no such user
        return path


def why_no_python(path: Path) -> str | None:
    """What a path is that leads to no Python file, in a sentence; None where it may, or leads nowhere."""
    if path.is_dir():
        return f"{path} is a folder. Give a file in it: {path / 'FILE.py'}:FUNCTION"
    if path.suffix in _NO_PYTHON:
        return f"{path} is {_NO_PYTHON[path.suffix]}"
    if path.suffix != ".py" and path.is_file():
        return f"{path} is not a Python file: its name must end in .py"
    return None


def check(path: Path, factory: str) -> None:
    """Raise UserError for a file that is missing, is not Python or does not define the factory."""
    names = names_of(path)
    # A star import or a module's __getattr__ may give any name: only running it would tell.
    if factory in names or names & {"*", "__getattr__"}:
        return
    if not names:
        raise UserError(f"{path} does not define {factory!r} (it defines nothing at top level)")
    near = nearest(factory, sorted(names)) or f". It defines {listed(names)}"
    raise UserError(f"{path} does not define {factory!r} at top level{near}")


def names_of(path: Path) -> set[str]:
    """The names that a file binds at its top level. Raises UserError where it cannot be read as Python."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes in strings
            tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(why_no_python(path) or f"cannot read {path}: {error.strerror or error}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UserError(f"{path} is not valid Python{line}: {reason}") from None
    return set(top_level_names(tree.body))


def listed(names: Iterable[str]) -> str:
    """A few names, public ones only where there are any."""
    found = sorted(names)
    found = [name for name in found if not name.startswith("_")] or found
    return ", ".join(found[:8]) + (" and others" if len(found) > 8 else "")


def top_level_names(body: list[ast.stmt]) -> Iterator[str]:
    """The names that a module's statements bind, branches and `try` included, functions' insides not."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name.split(".")[0] for alias in statement.names)
            case _:
                for node in ast.iter_child_nodes(statement):
                    if isinstance(node, ast.stmt):
                        yield from top_level_names([node])
                    elif isinstance(node, ast.ExceptHandler | ast.match_case):
                        yield from top_level_names(node.body)
                    else:
                        yield from (
                            inner.id
                            for inner in ast.walk(node)
                            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
                        )
