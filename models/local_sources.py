"""The files that a user's network came from: his own and what it imported beside it; for the child only."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from models.catalogue import OUR_PACKAGES, FileFactory, ModuleFactory, Source
from models.user_imports import place_of

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
"""Folders of what has a version of its own."""
_OURS = tuple(str(Path(__file__).resolve().parents[1] / name) for name in OUR_PACKAGES)
_STANDARD = sysconfig.get_paths()["stdlib"] + os.sep


def local_sources(source: Source) -> Mapping[str, str]:
    """Path from the package's folder -> digest of its text, of a network that has just been loaded.

    Empty for networks of ours and of libraries.
    """
    root = _root(source)
    if root is None:
        return {}
    files = sorted({file for file in _imported_from(root) if file.is_file()})
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for file in files
    }


def _root(source: Source) -> Path | None:
    """The folder in which the user's package, or his file, lies."""
    if isinstance(source, FileFactory):
        return place_of(source.path).root
    if isinstance(source, ModuleFactory):
        top = sys.modules.get(source.module.partition(".")[0])
        place = next(iter(getattr(top, "__path__", ())), getattr(top, "__file__", None))
        return Path(place).parent if place else None
    return None


def _imported_from(root: Path) -> Iterator[Path]:
    """Files of modules in the folder or below it, but for libraries, the interpreter's and convbench's."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        is_theirs = any(each in file for each in _INSTALLED) or file.startswith((_STANDARD, *_OURS))
        if file.startswith(f"{root}{os.sep}") and not is_theirs:
            yield Path(file)
