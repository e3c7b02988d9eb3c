"""Files of other tools go into an archive, as series of their own."""

from __future__ import annotations

import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from bench.archive import archive_folder, entries, importers
from bench.archive.entries import Added
from bench.archive.foreign_file import MOST_BYTES
from bench.archive.imported_facts import FILE, NOTE, utc
from bench.archive.packed_files import RunFile
from bench.archive.run_dates import EARLIEST, run_date
from bench.record_lines import refusals
from bench.schema.import_note import ImportNote
from bench.store import write_json
from models.errors import UserError

MOST_LETTERS = 100
"""Of a machine's name, and of what else tells benchmarks from others."""


class Import(Struct, frozen=True, kw_only=True):
    """What is to be said of files that they do not say; "" where nothing is.

    tool     that wrote them; None to tell it by their content
    at       when they were measured, ISO 8601
    machine  what they were measured on, in the place of what they say
    variant  what tells their benchmarks from others
    """

    label: str = ""
    tool: str | None = None
    at: str = ""
    machine: str = ""
    variant: str = ""


def checked(wish: Import) -> Import:
    """The same, with its date in UTC. UserError for what cannot be."""
    at = utc(wish.at) if wish.at else ""
    if at is None:
        raise UserError(f"--at {wish.at} is no date. Accepted: 2026-11-30, or 2026-11-30T02:00:00+01:00")
    if at and not run_date(at, datetime.now(UTC).isoformat()).is_dated:
        raise UserError(
            f"--at {wish.at} is no date of a measurement: {EARLIEST.date()} to today are accepted"
        )
    for option, text in (("--machine", wish.machine), ("--variant", wish.variant)):
        if text and (not text.isprintable() or text != text.strip() or len(text) > MOST_LETTERS):
            raise UserError(f"{option} takes up to {MOST_LETTERS} characters that can be printed")
    if wish.label:
        archive_folder.check_name("label", wish.label)
    return structs.replace(wish, at=at)


class Imported(Struct, frozen=True):
    """The entry of a file, and whether its date is only when the file was last written."""

    added: Added
    is_modification_time: bool

    @property
    def kind(self) -> str:
        """What it was measured on."""
        return self.added.entry.facts.cases[0].kind


def add(archive: Path, file: Path, wish: Import) -> Imported:
    """Copy a file into the archive, which is made where there is none. One with the same bytes that is there
    already stays as it is. Raises UserError for what cannot be read, or is of no tool that is known."""
    said = checked(wish)
    content = _content(file)
    importer = importers.importer_of(content, file, said.tool)
    found = importer.read(content, file)
    if found.at and utc(found.at) is None and not said.at:
        raise UserError(f"{file} is damaged: its date is {found.at!r}. --at gives another one")
    with refusals(file):
        modified = datetime.fromtimestamp(int(file.stat().st_mtime), UTC).isoformat()
    is_modification_time = not said.at and not found.at
    note = ImportNote(
        tool=importer.TOOL,
        at=modified if is_modification_time else said.at,
        is_modification_time=is_modification_time,
        machine=said.machine,
        variant=said.variant,
    )
    with tempfile.TemporaryDirectory(prefix="convbench-") as made:
        beside = Path(made) / NOTE
        write_json(beside, note)
        files = [RunFile(beside, NOTE), RunFile(file, FILE)]
        return Imported(entries.add_files(archive, files, file, said.label), is_modification_time)


def _content(file: Path) -> bytes:
    """All of it. UserError for what is no file, or too large."""
    with refusals(file):
        state = file.stat()
        if stat.S_ISDIR(state.st_mode):
            raise UserError(f"{file} is a folder. `convbench archive add {file}` keeps run folders")
        if not stat.S_ISREG(state.st_mode):
            raise UserError(f"{file} is no file that can be copied")
        if state.st_size > MOST_BYTES:
            size, most = state.st_size / 2**20, MOST_BYTES >> 20
            raise UserError(f"{file} has {size:,.0f} MiB. Files of up to {most} MiB are imported")
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    if not content.strip():
        raise UserError(f"{file} is empty")
    return content
