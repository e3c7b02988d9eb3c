"""`@NAME`, wherever a run folder is named: what the archive keeps under that name, unpacked."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from bench.archive import archive_folder, entries, names
from bench.archive.archive_folder import CONTENTS
from bench.archive.packed_files import DamagedError, unpack
from bench.record_lines import refusals
from models.errors import UserError

SIGN = "@"


def is_archived(folder: Path) -> bool:
    """Whether a folder is named as `@NAME`, or as one below it."""
    return bool(folder.parts) and folder.parts[0].startswith(SIGN)


def unpacked_folder(folder: Path) -> Path:
    """Where the files of `@NAME`, or of a folder below it, can be read until this process ends.

    Raises UserError for a name that there is not, a damaged entry, and a path that leaves it.
    """
    name, *below = folder.parts
    if ".." in below:
        raise UserError(f"{folder} leaves the archive. Give @NAME, or a folder in it")
    archive = archive_folder.default_archive().resolve()
    root = _unpacked(archive, names.find(archive, name))
    _names[root] = Path(name)
    return root.joinpath(*below)


_names: dict[Path, Path] = {}
"""Of each folder that was unpacked the name that it was asked for by."""


def as_named(folder: Path) -> Path:
    """A folder as the user names it: below `@NAME`, where it is of the archive."""
    for root, name in _names.items():
        if folder.is_relative_to(root):
            return name / folder.relative_to(root)
    return folder


@cache
def _unpacked(archive: Path, digest: str) -> Path:
    target = Path(tempfile.mkdtemp(dir=_for_this_process().name)).resolve()
    folder = archive_folder.entry_folder(archive, digest)
    with archive_folder.shared(archive), refusals(target):
        entry = entries.read(archive, digest)
        if entry.origin:
            raise UserError(
                f"{names.short_id(digest)} is a file of {entry.origin}, which is never pooled or "
                "compared with runs of convbench. `convbench trend` shows its series"
            )
        size = sum(each.size for each in entry.files)
        if size > (free := shutil.disk_usage(target.parent).free):
            raise UserError(
                f"{size:,} bytes of {names.short_id(digest)} do not fit into "
                f"{target.parent}, which has {free:,}. TMPDIR names another folder"
            )
        try:
            unpack(folder / CONTENTS, entry.files, target)
        except DamagedError as error:
            raise UserError(f"{folder} {error}. Try `convbench archive verify`") from error
    return target


@cache
def _for_this_process() -> tempfile.TemporaryDirectory[str]:
    """Gone when the process ends."""
    return tempfile.TemporaryDirectory(prefix="convbench-")
