"""A document -> text, or bytes. Each module here is a format, named as users name it (a hyphen is an
underscore in the file's name): `render(document) -> str`, or `render_bytes(document) -> bytes` of one that is
no text.

To add a format, add a file. One that cannot write every document says `NEEDS_TIMES = True`; one that needs a
package of an extra has `check()`, which raises UserError where that is not installed.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Protocol, cast

from models.errors import UserError, unknown
from reports.document import Document


class Format(Protocol):
    """What a module of this package has, if it writes text."""

    def render(self, document: Document) -> str:
        """The document in this format, ending with a newline."""
        ...


class BinaryFormat(Protocol):
    """What a module of this package has, if it writes no text."""

    def render_bytes(self, document: Document) -> bytes:
        """The document in this format."""
        ...


@cache
def names() -> tuple[str, ...]:
    """The formats there are, as users name them; none is imported for that."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def for_any() -> tuple[str, ...]:
    """Those of text that can write every document, whatever it is about."""
    return tuple(
        name for name in names() if is_text(name) and not getattr(_module(name), "NEEDS_TIMES", False)
    )


def binary() -> tuple[str, ...]:
    """Those that write bytes."""
    return tuple(name for name in names() if not is_text(name))


def is_text(name: str) -> bool:
    """Whether a terminal can show it."""
    return not hasattr(_module(name), "render_bytes")


def check(name: str) -> None:
    """Raises UserError for a format that does not exist, or whose package is not installed."""
    if name not in names():
        raise unknown("format", name, names())
    getattr(_module(name), "check", lambda: None)()


def render(name: str, document: Document) -> str:
    """The document as text. Raises UserError as `check` does, and for a format that is no text."""
    check(name)
    if not is_text(name):
        raise UserError(f"{name} is no text. `convbench report RUN -o FILE.{name}` writes a file")
    return cast(Format, _module(name)).render(document)


def content(name: str, document: Document) -> str | bytes:
    """What a file of this format holds. Raises UserError as `check` does."""
    check(name)
    if is_text(name):
        return cast(Format, _module(name)).render(document)
    return cast(BinaryFormat, _module(name)).render_bytes(document)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
