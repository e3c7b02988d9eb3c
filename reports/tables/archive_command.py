"""Commands about an archive, to be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.archive.archive_folder import VARIABLE, default_archive


def typed(archive: Path, *words: str) -> str:
    """A command of convbench that looks for `@NAME` in this archive."""
    variable = () if archive == default_archive() else (f"{VARIABLE}={shlex.quote(str(archive))}",)
    return " ".join([*variable, shlex.join(["convbench", *words])])
