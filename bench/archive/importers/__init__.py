"""Files of other tools -> their benchmarks. Each module here reads those of one tool, and has what `Importer`
says.

To add a tool, add a file. Nothing in a file is executed, nothing believed unchecked.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from bench.archive.foreign_file import ForeignFile
from models.errors import UserError, unknown


class Importer(Protocol):
    """What a module of this package has. `TOOL` is the tool's name as users write it; `HOLDS` says which of
    its files are read, as `the JSON of --export-json`."""

    TOOL: str
    HOLDS: str

    def is_of(self, content: bytes) -> bool:
        """Whether this looks like a file of the tool, by its content alone."""
        ...

    def read(self, content: bytes, path: Path) -> ForeignFile:
        """What a file says; `path` is for messages. Raises UserError, in one sentence, for any other file."""
        ...


@cache
def by_tool() -> dict[str, Importer]:
    """All of them, by the name of their tool."""
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    found = [cast(Importer, module) for module in modules]
    return {each.TOOL: each for each in sorted(found, key=lambda each: each.TOOL)}


def tool_of(content: bytes) -> str | None:
    """The tool that wrote this, by its content; None for no tool that is known, or several."""
    tools = [tool for tool, importer in by_tool().items() if importer.is_of(content)]
    return tools[0] if len(tools) == 1 else None


def importer_of(content: bytes, path: Path, tool: str | None = None) -> Importer:
    """That of the named tool, or of the one that wrote the file. UserError for an unknown one."""
    if tool is not None and tool not in by_tool():
        raise unknown("--from", tool, list(by_tool()))
    found = tool or tool_of(content)
    if found is None:
        raise UserError(f"{path} is of no tool that is known. Accepted: {accepted()}; --from names the tool")
    return by_tool()[found]


def accepted() -> str:
    """`hyperfine (the JSON of --export-json), ...`"""
    return ", ".join(f"{tool} ({importer.HOLDS})" for tool, importer in by_tool().items())
