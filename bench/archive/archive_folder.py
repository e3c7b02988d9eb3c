"""Where things lie in an archive, and who may change it.

    entries/DIGEST/entry.json    what is known of a run
    entries/DIGEST/contents.xz   its files, one after the other
    entries/DIGEST/SHA256SUMS    of both, for `sha256sum -c`
    pins/NAME.json               a name for an entry
    labels/DIGEST.json           the label that a run was given after it was added
    acknowledged/NAME.json       who answered for a change over time, and why
    index.sqlite                 made from the entries, and made anew where it is missing or damaged
    .unfinished/                 what is being written or removed; after a kill, what prune deletes

An entry appears and disappears by one rename. Whoever adds or reads shares the lock, so that many can at
once; whoever removes has it alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.record_lines import refusals
from models.errors import UserError

DEFAULT = Path("convbench-archive")
VARIABLE = "CONVBENCH_ARCHIVE"
ENTRIES, PINS, UNFINISHED = "entries", "pins", ".unfinished"
ACKNOWLEDGED, LABELS = "acknowledged", "labels"
ENTRY, CONTENTS, SUMS = "entry.json", "contents.xz", "SHA256SUMS"
LOCK = ".lock"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def default_archive() -> Path:
    """That of CONVBENCH_ARCHIVE, or `convbench-archive` in the current folder."""
    return Path(os.environ.get(VARIABLE) or DEFAULT)


def require(archive: Path) -> None:
    """UserError where there is no archive."""
    if not (archive / ENTRIES).is_dir():
        raise UserError(
            f"there is no archive at {archive}. `convbench archive add RUN` makes one; {VARIABLE}, or "
            "--archive of `convbench archive` and `convbench trend`, names another"
        )


def names_in(folder: Path) -> list[str]:
    """Names that JSON files of a folder have, sorted; of copies that a synchronizing program left, none."""
    return sorted(file.stem for file in folder.glob("*.json") if _NAME.fullmatch(file.stem))


def check_name(kind: str, name: str) -> str:
    """The name. UserError for one that could leave its folder, or that a shell reads as something else."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no {kind}: up to 64 letters, digits and . _ - are accepted, the first a letter or "
            "digit"
        )
    return name


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def entry_folder(archive: Path, digest: str) -> Path:
    """Of an entry. UserError for what is no digest: it is part of a path."""
    if not is_digest(digest):
        raise UserError(f"{archive} is damaged: {digest[:80]!r} is no digest of a run")
    return archive / ENTRIES / digest


def label_file(archive: Path, digest: str) -> Path:
    """Where the label lies that an entry was given after it was added."""
    return archive / LABELS / f"{entry_folder(archive, digest).name}.json"


def digests(archive: Path) -> set[str]:
    """Of all entries."""
    folder = archive / ENTRIES
    with refusals(folder):
        return {each.name for each in folder.iterdir() if is_digest(each.name)} if folder.is_dir() else set()


def changed_at(archive: Path) -> dict[str, int]:
    """Of all entries a number that is another one after the run was removed and added again, or given another
    label: when its folder was made, in ns, and a checksum of its label."""
    with refusals(archive):
        labels = {file.stem: zlib.crc32(file.read_bytes()) for file in (archive / LABELS).glob("[!.]*.json")}
        times = {each: entry_folder(archive, each).stat().st_mtime_ns for each in digests(archive)}
    return {each: time ^ labels.get(each, 0) for each, time in times.items()}


@contextmanager
def shared(archive: Path) -> Iterator[None]:
    """Nothing is removed meanwhile. An archive that one may only read needs no lock of ours."""
    with _locked(archive, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(archive: Path) -> Iterator[None]:
    """Nobody else adds, reads or removes meanwhile; waits for those who do."""
    with _locked(archive, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(archive: Path, how: int) -> Iterator[None]:
    try:
        descriptor = os.open(archive / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if how == fcntl.LOCK_EX or not archive.is_dir():
            raise UserError(f"cannot use {archive}: {error.strerror}") from error
        yield
        return
    try:
        with refusals(archive / LOCK):
            fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def make(archive: Path) -> None:
    """The folders of an archive, where they are missing. UserError."""
    with refusals(archive):
        for name in (ENTRIES, PINS, UNFINISHED):
            (archive / name).mkdir(parents=True, exist_ok=True)


@contextmanager
def unfinished(archive: Path) -> Iterator[Path]:
    """An empty folder beside the entries, to be renamed into one of them; deleted where it was not."""
    made = archive / UNFINISHED / secrets.token_hex(8)
    with refusals(archive):
        made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_entry(archive: Path, digest: str) -> None:
    """An entry is gone whole, or is there; for who has the archive alone."""
    with refusals(archive), unfinished(archive) as place:
        entry_folder(archive, digest).rename(place / digest)
        label_file(archive, digest).unlink(missing_ok=True)


def left_behind(archive: Path) -> list[Path]:
    """What killed processes left; also what others are writing, unless one has the archive alone."""
    with refusals(archive):
        folder = archive / UNFINISHED
        return sorted(folder.iterdir()) if folder.is_dir() else []


def bytes_of(folder: Path) -> int:
    """Of all files in it; of what is deleted meanwhile, nothing."""
    total = 0
    for each in folder.rglob("*"):
        with suppress(OSError):
            total += each.lstat().st_size
    return total


def clear_unfinished(archive: Path) -> None:
    """Delete what killed processes left; for who has the archive alone."""
    for each in left_behind(archive):
        shutil.rmtree(each, ignore_errors=True)
