"""A document -> text. Each module here is a format, named as users name it (a hyphen is an underscore in the
file's name): `render(document) -> str`.

To add a format, add a file. One that cannot write every document says `NEEDS_TIMES = True`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Protocol, cast

from models.errors import unknown
from reports.document import Document


class Format(Protocol):
    """What a module of this package has."""

    def render(self, document: Document) -> str:
        """The document in this format, ending with a newline."""
        ...


@cache
def names() -> tuple[str, ...]:
    """The formats there are, as users name them; none is imported for that."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def for_any() -> tuple[str, ...]:
    """Those that can write every document, whatever it is about."""
    return tuple(name for name in names() if not getattr(_module(name), "NEEDS_TIMES", False))


def render(name: str, document: Document) -> str:
    """The document as text; raises UserError for a format that does not exist."""
    if name not in names():
        raise unknown("format", name, names())
    return cast(Format, _module(name)).render(document)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
