"""What a user's file defines, read without running it; no torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from models.errors import UserError, nearest


def check(path: Path, factory: str) -> None:
    """Raise UserError for a file that is missing, is not Python or does not define the factory."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UserError(f"{path} is not valid Python{line}: {reason}") from None
    names = set(top_level_names(tree.body))
    # A star import or a module's __getattr__ may give any name: only running it would tell.
    if factory not in names and not names & {"*", "__getattr__"}:
        raise UserError(f"{path} does not define {factory!r} at top level{nearest(factory, sorted(names))}")


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
