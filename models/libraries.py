"""What torchvision has, read from its source, since importing it imports torch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path


def torchvision_models() -> list[str]:
    """The names that torchvision registers, read from its source, since importing it imports torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return []
    folder = Path(spec.submodule_search_locations[0]) / "models"
    decorated = re.compile(r'^@register_model\((?:name="(\w+)")?\).*?^def (\w+)', re.MULTILINE | re.DOTALL)
    names = []
    for path in folder.rglob("*.py"):
        names += [given or own for given, own in decorated.findall(path.read_text(encoding="utf-8"))]
    return sorted(names)
