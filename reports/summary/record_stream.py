"""The records of runs, one at a time: a report from 100,000 of them must not hold their samples.

Reading never changes a file. A torn last line (the run was killed while writing it) is left out with a
warning; any other damage is named by file and line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.schema.record import Record
from bench.schema.shared_parts import SharingReader
from bench.store import RECORDS
from bench.store import read_records as read_file
from models.errors import UserError


def read_records(directories: Sequence[Path], warn: Callable[[str], None]) -> Iterator[tuple[int, Record]]:
    """Every record of every run, as (index of its directory, record), in the order they were written.

    A directory that is named twice is read once. Equal machines, protocols and networks are one object each
    in all records. Raises UserError for what is missing, unreadable, empty, foreign, newer or corrupt.
    """
    decode = SharingReader().decode
    for index, directory in enumerate(_each_once(directories)):
        file = records_file(directory)
        found = False
        for record in read_file(file, torn=warn, decode=decode):
            found = True
            yield index, record
        if not found:
            raise UserError(f"{file} holds no complete record")


def names_of(directories: Sequence[Path]) -> list[str]:
    """The directory of each index of `read_records`, as it was named."""
    return [str(path) for path in _each_once(directories)]


def _each_once(directories: Sequence[Path]) -> list[Path]:
    return list({path.resolve(): path for path in directories}.values())


def records_file(directory: Path) -> Path:
    """The file of a run's records. Raises UserError where the directory has none."""
    file = directory / RECORDS
    try:
        if not directory.exists():
            raise UserError(f"there is no directory {str(directory)!r}")
        if not directory.is_dir():
            raise UserError(f"{str(directory)!r} is a file; give the directory that holds {RECORDS}")
        if not file.exists():
            raise UserError(f"{str(directory)!r} holds no {RECORDS}: no run was written there")
    except OSError as error:
        raise UserError(f"{str(directory)!r} cannot be read: {os.strerror(error.errno or 0)}") from error
    return file
