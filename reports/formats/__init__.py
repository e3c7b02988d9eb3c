"""A document -> text. Each module here is a format: its NAME, and `render(document) -> str`.

To add a format, add a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Protocol, cast

from models.errors import unknown
from reports.document import Document


class Format(Protocol):
    """What a module of this package has."""

    NAME: str

    def render(self, document: Document) -> str:
        """The document in this format, ending with a newline."""
        ...


@cache
def _formats() -> dict[str, Format]:
    found = [
        cast(Format, importlib.import_module(f"{__name__}.{module.name}"))
        for module in pkgutil.iter_modules(__path__)
    ]
    return {format_.NAME: format_ for format_ in found}


def names() -> tuple[str, ...]:
    """The formats there are, as users name them."""
    return tuple(sorted(_formats()))


def render(name: str, document: Document) -> str:
    """The document as text; raises UserError for a format that does not exist."""
    if name not in _formats():
        raise unknown("format", name, names())
    return _formats()[name].render(document)
