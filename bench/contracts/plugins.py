"""Finds plug-ins by listing a package: a new file is known without being named anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any


def find(package: ModuleType, attribute: str) -> list[Any]:
    """The `attribute` of every module of `package` that defines it, in the order of the modules' names."""
    found = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        if hasattr(loaded, attribute):
            found.append(getattr(loaded, attribute))
    return found
