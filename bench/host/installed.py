"""What is installed, found without importing it: importing torch takes seconds."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

OWN = ("bench", "models", "reports")
"""The packages of convbench. Other packages of these names exist on public registries."""


def version_of(package: str) -> str | None:
    """The version of an installed distribution; None where there is none."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_cuda() -> str | None:
    """The CUDA that torch was built with, such as 13.0; None without torch, or for a build without CUDA."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    written = Path(found.origin).with_name("version.py")
    version = re.search(r"^cuda\b[^=]*=\s*'([\d.]+)'", written.read_text(encoding="utf-8"), re.MULTILINE)
    return version[1] if version else None


_ROOT = Path(__file__).resolve().parents[2]


def foreign_packages(root: Path = _ROOT) -> Iterator[str]:
    """A sentence for each package that Python finds under a name of ours and that is not ours.

    `root` is the folder that holds ours, side by side.
    """
    for name in OWN:
        found = importlib.util.find_spec(name)
        places = [] if found is None else [*(found.submodule_search_locations or []), found.origin]
        if places and Path(str(places[0])).resolve() != root / name:
            yield f"the package {name} that Python finds is not convbench's: {places[0]}"


def mixed_packages() -> Iterator[str]:
    """A sentence for each package of ours into whose folder another distribution has written too."""
    import importlib.metadata

    for distribution in importlib.metadata.distributions():
        own = distribution.metadata["Name"] == "convbench"
        written = "" if own else "\n" + (distribution.read_text("RECORD") or "")
        for name in OWN:
            if f"\n{name}/__init__.py," in written:
                title = distribution.metadata["Name"]
                yield f"the package {name} is also a part of {title}: {distribution.locate_file(name)}"
