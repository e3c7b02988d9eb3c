"""Runs go into an archive, and what is known of one comes out."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from bench.archive import archive_folder, labels
from bench.archive.archive_folder import CONTENTS, ENTRIES, ENTRY, SUMS
from bench.archive.packed_files import DamagedError, RunFile, pack, refuse_paths
from bench.archive.record_facts import facts_of
from bench.archive.run_files import at_rest, files_of
from bench.record_lines import refusals
from bench.schema.archive_entry import ENTRY_SCHEMA, FACTS_VERSION, Entry
from bench.store import read_json, sync_folder, write_json, write_whole
from models.errors import UserError

MOST_ENTRY_BYTES = 256 << 20
"""A run of 10,000 GPUs, each with an environment of its own, takes less than a tenth."""


class Added(Struct, frozen=True):
    """The entry of a run, and whether it is new."""

    entry: Entry
    is_new: bool


def add(archive: Path, run: Path, label: str = "") -> Added:
    """Copy a run into the archive, which is made where there is none. A run that is there already stays as
    it is, its label too. When this returns, the entry is on the disk.

    Raises UserError for what is no run, goes on, or cannot be read.
    """
    if label:
        archive_folder.check_name("label", label)
    return add_files(archive, files_of(run), run, label)


def add_files(archive: Path, files: Sequence[RunFile], source: Path, label: str) -> Added:
    """The same of files of a run, or of an import, that was named `source`."""
    archive_folder.make(archive)
    with archive_folder.shared(archive), at_rest(files), archive_folder.unfinished(archive) as place:
        entry = _written(place, files, source, label)
        target = archive_folder.entry_folder(archive, entry.digest)
        with refusals(archive):
            sync_folder(place)
            if not target.is_dir():  # of a run that was removed by hand
                archive_folder.label_file(archive, entry.digest).unlink(missing_ok=True)
            try:
                place.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
                return Added(_sound(archive, entry.digest), is_new=False)
            sync_folder(archive / ENTRIES)
    return Added(entry, is_new=True)


def _sound(archive: Path, digest: str) -> Entry:
    """An entry that was there before. UserError where it is damaged."""
    problems = problems_of(archive, digest)
    if problems:
        folder = archive_folder.entry_folder(archive, digest)
        raise UserError(f"this run is there, but {folder} {problems[0]}. Delete that folder and add it again")
    return read(archive, digest)


def known(archive: Path, run: Path) -> str:
    """The digest of a run that the archive has. UserError where it has not, and as `add` raises it."""
    files = files_of(run)
    with tempfile.TemporaryDirectory(prefix="convbench-") as made:
        digest = _written(Path(made), files, run, "").digest
    if digest not in archive_folder.digests(archive):
        raise UserError(f"{run} is not in {archive}. `convbench archive add {run}` copies it there")
    return digest


def _written(place: Path, files: Sequence[RunFile], run: Path, label: str) -> Entry:
    """The files of an entry in a folder of their own. What is known of the run is read from what was packed,
    not from what was given."""
    kept = pack(files, place / CONTENTS)
    try:
        refuse_paths(kept)
        facts = facts_of(place / CONTENTS, kept, run)
    except DamagedError as error:
        raise UserError(f"{run} {error}") from error
    entry = Entry(
        facts_version=FACTS_VERSION,
        label=label,
        added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source=str(run),
        files=kept,
        facts=facts,
    )
    write_json(place / ENTRY, entry)
    sums = "".join(f"{digest_of(place / name)}  {name}\n" for name in (CONTENTS, ENTRY))
    write_whole(place / SUMS, sums.encode())
    return entry


def read(archive: Path, digest: str) -> Entry:
    """What is known of a run, with the label that it has now. Raises UserError where it is not there or
    damaged."""
    folder = archive_folder.entry_folder(archive, digest)
    if folder.is_symlink():
        raise UserError(f"{folder} is damaged: it is a link")
    with refusals(folder):
        if (folder / ENTRY).exists() and (folder / ENTRY).stat().st_size > MOST_ENTRY_BYTES:
            raise UserError(f"{folder} is damaged: {ENTRY} is larger than that of any run")
    entry = read_json(folder / ENTRY, Entry, ENTRY_SCHEMA)
    if entry is None:
        raise UserError(f"{folder} is damaged: it has no {ENTRY}")
    if entry.digest != digest:
        raise UserError(f"{folder} is damaged: {ENTRY} is of another run")
    label = labels.given(archive, digest)
    return entry if label is None else structs.replace(entry, label=label)


def problems_of(archive: Path, digest: str) -> list[str]:
    """What is wrong with an entry, each as words that follow its name; all of its bytes are read."""
    folder = archive_folder.entry_folder(archive, digest)
    found = []
    try:
        found += _wrong_sums(folder)
        entry = read(archive, digest)
        facts = facts_of(folder / CONTENTS, entry.files, folder)
        if facts.digest != digest:
            found.append("has other records than its name says")
        elif entry.facts_version == FACTS_VERSION and facts != entry.facts:
            found.append(f"says in {ENTRY} what its records do not")
    except (DamagedError, UserError) as error:
        found.append(str(error))
    except OSError as error:
        found.append(f"cannot be read: {os.strerror(error.errno or 0)}")
    return found


def _wrong_sums(folder: Path) -> list[str]:
    """By SHA256SUMS."""
    wanted = (folder / SUMS).read_text(encoding="utf-8", errors="replace").split("\n")
    sums = [f"{digest_of(folder / name)}  {name}" for name in (CONTENTS, ENTRY)]
    wrong = [line.split("  ")[1] for line in sums if line not in wanted]
    return [f"has another {name} than was added" for name in wrong]


def digest_of(file: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
