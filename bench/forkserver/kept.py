"""In the child: what a job has found so far, on the disk, should its process not reach its end."""

from __future__ import annotations

import contextlib
from pathlib import Path

from bench.forkserver.wire import KEPT

_folders: list[Path] = []
"""The request's folder is the last; empty in a process that no fork server started."""


def keep_in(folder: Path) -> None:
    """From now on `keep` writes here."""
    _folders.append(folder)


def keep(found: bytes) -> None:
    """Keep this in the place of what was kept before. A full disk does not end a job that goes well."""
    if _folders:
        with contextlib.suppress(OSError):
            write_whole(_folders[-1] / KEPT, found)


def write_whole(path: Path, data: bytes) -> None:
    """All of it or nothing: written beside and renamed."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(data)
    beside.replace(path)
