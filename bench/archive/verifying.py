"""Whether an archive holds what was added to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench.archive import archive_folder, entries, names


class Verified(Struct, frozen=True):
    """What was found.

    entries   how many were read
    bytes     that they take
    damaged   of each damaged entry its digest and what is wrong with it
    dangling  names that stand for no entry
    left      what processes left that were killed, or are still writing
    """

    entries: int
    bytes: int
    damaged: tuple[tuple[str, tuple[str, ...]], ...]
    dangling: tuple[str, ...]
    left: int


def verify(archive: Path, digests: Sequence[str] = ()) -> Verified:
    """Read all bytes of these entries, or of all; nothing is changed. Raises UserError where that cannot be
    done at all."""
    with archive_folder.shared(archive):
        there = archive_folder.digests(archive)
        asked = list(dict.fromkeys(digests)) or sorted(there)
        found = [(digest, tuple(entries.problems_of(archive, digest))) for digest in asked]
        size = sum(archive_folder.bytes_of(archive_folder.entry_folder(archive, each)) for each in asked)
        dangling = [name for name, digest in names.pinned(archive).items() if digest not in there]
        return Verified(
            entries=len(asked),
            bytes=size,
            damaged=tuple((digest, problems) for digest, problems in found if problems),
            dangling=tuple(dangling),
            left=len(archive_folder.left_behind(archive)),
        )
