"""What a user types for networks, lists and wildcards included -> their names; no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from models import libraries, spec
from models.catalogue import MODELS, parse
from models.errors import UserError, nearest

_WILD = re.compile(r"[*?\[]")


def read(text: str) -> list[str]:
    """The names in a list that commas separate, with the networks that match in the place of each wildcard.

    A comma may also stand in a factory's arguments and in the path of a file. The names are not checked.
    Raises UserError for a wildcard that nothing matches.
    """
    pieces = [piece.strip() for piece in spec.split(text)]
    return [name for part in _joined(pieces) or pieces for name in expand(part)]


def _joined(pieces: list[str]) -> list[str] | None:
    """The pieces, joined again where a comma belongs to a path; None where some are neither name nor path."""
    for count in range(1, len(pieces) + 1):
        candidate = ",".join(pieces[:count])
        if _is_name(candidate) if count == 1 else _is_path(candidate):
            rest = _joined(pieces[count:]) if pieces[count:] else []
            if rest is not None:
                return [candidate, *rest]
    return None


def _is_name(text: str) -> bool:
    if _WILD.search(text) or _is_path(text):
        return True
    try:
        parse(text)
    except UserError:
        return False
    return True


def _is_path(text: str) -> bool:
    """Whether a text names a function of a file that is there, or whose folder is."""
    try:
        place = spec.read(text).place
    except UserError:
        return False
    path = Path(place).expanduser() if place.startswith("~/") else Path(place)
    return place.endswith(".py") and (path.is_file() or ("," in str(path.parent) and path.parent.is_dir()))


def expand(name: str) -> list[str]:
    """The networks that a wildcard (`*`, `?`, `[ab]`) stands for; any other name, and a path, as it is.

    Of torchvision those of classification, where any match. Of timm the names alone, or those with a tag
    where the wildcard has a dot. A factory's arguments and transformations hold for each.
    """
    base, bracket, arguments = name.partition("(")
    library, colon, pattern = base.partition(":")
    if colon and library in libraries.NAMES and _WILD.search(pattern):
        found = _matching(pattern.lower() if library == "torchvision" else pattern, _names(library, pattern))
        if not found and library == "torchvision":
            found = _matching(pattern.lower(), libraries.torchvision_names())
        if not found:
            raise _nothing(name, pattern, f"network of {library}", libraries.networks(library))
        return [f"{library}:{each}{bracket}{arguments}" for each in found]
    pattern, plus, changes = name.partition("+")
    if colon or "/" in name or not _WILD.search(pattern) or name.endswith(".py"):
        return [name]
    found = _matching(pattern.lower(), MODELS)
    if not found:
        raise _nothing(name, pattern, "built-in network", MODELS)
    return [f"{each}{plus}{changes}" for each in found]


def beginning_with(text: str) -> list[str]:
    """Names that begin so, for a shell to complete: ours, and a library's once its colon is typed."""
    library, colon, _ = text.partition(":")
    prefixes = [f"{each}:" for each in libraries.NAMES]
    names = [*MODELS, *prefixes]
    if colon and library in libraries.NAMES:
        names = [f"{library}:{each}" for each in _names(library, text)]
    return [name for name in names if name.startswith(text)]


def _names(library: str, pattern: str) -> list[str]:
    """A library's names that a pattern is compared with."""
    if library == "torchvision":
        kinds = libraries.torchvision_kind
        return [name for name in libraries.torchvision_names() if kinds(name) == libraries.CLASSIFICATION]
    return [name for name in libraries.timm_networks() if "." in pattern or "." not in name]


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]


def _nothing(name: str, pattern: str, what: str, known: Iterable[str]) -> UserError:
    names = list(known)
    if not names:
        return UserError(f"{name} needs the package timm: pip install 'convbench[timm]'")
    return UserError(f"no {what} matches {pattern!r}{nearest(re.sub(r'[*?]', '', pattern), names)}")
