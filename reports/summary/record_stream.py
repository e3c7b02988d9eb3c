"""The records of runs, one at a time: a report from 100,000 of them must not hold their samples.

Reading never changes a file. A torn last line (the run was killed while writing it) is left out with a
warning; any other damage is named by file and line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, structs

from bench.archive.archived_runs import as_named
from bench.record_lines import without_lines
from bench.run_folders import located, named_run
from bench.schema.record import Record
from bench.schema.shared_parts import SharingReader
from bench.store import RECORDS
from bench.store import read_records as read_file
from models.errors import UserError


class Part(Struct, frozen=True, kw_only=True):
    """Whole lines of a run's records.

    run    the index of its directory
    named  the index of the run that it belongs to: attempts of a fleet are one, else it is the directory
    name   of the directory: as it was given, or below one that was
    path   the file
    alone  whether it was named itself, so that it must have records
    others  whether other runs are read beside it: then a line that is no record stops none of them
    begin  the byte with which the first line begins
    end    the byte with which the first line behind them begins; None: they are the last of the file
    size   in bytes, when it was looked at
    """

    run: int
    named: int = 0
    name: str
    path: Path
    alone: bool = True
    others: bool = False
    begin: int = 0
    end: int | None = None
    size: int = 0

    def cut(self, size: int) -> tuple[Part, Part]:
        """Itself in two, the first of about so many bytes."""
        with self.path.open("rb") as file:
            file.seek(self.begin + size)
            file.readline()
            at = file.tell()
        first = structs.replace(self, end=at, size=at - self.begin)
        return first, structs.replace(self, begin=at, size=self.size - first.size)


def parts_of(directories: Sequence[Path]) -> list[Part]:
    """All records of each run, in the order in which they are named; a directory that is named twice once.

    A folder of run folders stands for all of these (`bench.run_folders`). Raises UserError for what is
    missing or unreadable.
    """
    parts: dict[Path, Part] = {}
    runs = 0
    for folder in _each_once(directories):
        with _readable(folder):
            found = named_run(folder)
        several = len(found.run_folders) > 1
        for each in found.run_folders:
            if each.resolve() not in parts:
                part = _whole(len(parts), runs, each, str(as_named(each)))
                parts[each.resolve()] = structs.replace(part, alone=not several)
            runs += not found.is_fleet
        runs += found.is_fleet
    return [structs.replace(part, others=len(parts) > 1) for part in parts.values()]


def runs_of(folder: Path) -> int:
    """How many runs a named folder stands for. Raises UserError where it is unreadable."""
    with _readable(folder):
        found = named_run(folder)
    return 1 if found.is_fleet else len(found.run_folders)


def _whole(index: int, run: int, directory: Path, name: str) -> Part:
    file = records_file(directory)
    with _readable(file):
        return Part(run=index, named=run, name=name, path=file, size=file.stat().st_size)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """UserError where the path cannot be read."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {os.strerror(error.errno or 0)}") from error


def read_records(directories: Sequence[Path], warn: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
    """Every record of every run, as (index of its directory, record), in the order they were written.

    Raises UserError for what is missing, unreadable, empty, foreign, newer or corrupt.
    """
    return read_parts(parts_of(directories), warn)


def read_parts(
    parts: Sequence[Part], warn: Callable[[str], None], damaged: Callable[[str], None] | None = None
) -> Iterator[tuple[int, Record]]:
    """Likewise of some parts. Equal machines, protocols and networks are one object each in all records.
    Lines that are no records are told to `damaged`, where other runs are read beside theirs."""
    decode = SharingReader().decode
    for part in parts:
        found = part.begin > 0
        left_out: list[str] = []
        tell = left_out.append if damaged is not None and part.others else None
        for record in read_file(
            part.path, torn=warn, damaged=tell, decode=decode, begin=part.begin, end=part.end
        ):
            found = True
            yield part.run, record
        if left_out and damaged is not None:
            damaged(without_lines(left_out))
        if not found and part.alone:
            raise UserError(left_out[0] if left_out else f"{part.path} has no complete record")
        if not found:
            warn(without_records(part))


def without_records(part: Part) -> str:
    """What is said of one of several run folders that has no complete record."""
    return f"{part.path} has no complete record and was left out."


def _each_once(directories: Sequence[Path]) -> list[Path]:
    return list({path.resolve(): path for path in directories}.values())


def records_file(directory: Path) -> Path:
    """The file of a run's records. Raises UserError where the directory has none."""
    root = located(directory)
    file = root / RECORDS
    with _readable(directory):
        if not root.exists():
            raise UserError(f"there is no directory {str(directory)!r}. Give the folder that --out named")
        if not root.is_dir():
            raise UserError(f"{directory} is a file. Give the run folder that has {RECORDS} in it")
        if not file.exists():
            raise UserError(
                f"{directory} is not a run folder (no {RECORDS}). Give the folder that --out named"
            )
    return file
