"""The files of a run as one compressed stream, and back: bounded in memory, and in what it writes.

xz of preset 1 takes a ninth of records of timings (1.30 MB: 147 kB in 0.10 s, read in 0.01 s). gzip takes a
seventh (191 kB, 0.02 s), preset 6 a tenth (124 kB, 0.36 s). Python's standard library has zstd from 3.14 on.
"""

from __future__ import annotations

import hashlib
import lzma
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from bench.record_lines import refusals
from bench.schema.archive_entry import KeptFile
from bench.schema.plain_text import why_no_text

PRESET = 1
MOST_MEMORY = 64 << 20
"""What a stream may take to be read: one of preset 1 takes 2 MiB."""
MOST_DEPTH = 16
_BLOCK = 1 << 20


class DamagedError(Exception):
    """An entry is not what was added; the message ends a sentence that begins with its name."""


class RunFile(NamedTuple):
    """A file to be packed: where it is, and where it lay in its run."""

    file: Path
    path: str


def pack(files: Iterable[RunFile], target: Path) -> tuple[KeptFile, ...]:
    """Write the files into one new file, through to the disk. Raises UserError."""
    kept = []
    compressor = lzma.LZMACompressor(preset=PRESET)
    with refusals(target), target.open("xb") as packed:
        for each in files:
            size, digest = 0, hashlib.sha256()
            with each.file.open("rb") as source:
                while block := source.read(_BLOCK):
                    size += len(block)
                    digest.update(block)
                    packed.write(compressor.compress(block))
            kept.append(KeptFile(path=each.path, size=size, sha256=digest.hexdigest()))
        packed.write(compressor.flush())
        packed.flush()
        os.fsync(packed.fileno())
    return tuple(kept)


def unpacked(contents: Path, files: Sequence[KeptFile]) -> Iterator[tuple[KeptFile, Iterator[bytes]]]:
    """Each file with its blocks, which are to be taken before the next file is.

    Raises DamagedError for whatever is not as `files` says, and OSError.
    """
    refuse_paths(files)
    with os.fdopen(os.open(contents, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        reader = _Reader(stream)
        for each in files:
            yield each, reader.take(each)
        reader.end()


class _Reader:
    """What is decompressed and not yet taken."""

    def __init__(self, stream: BinaryIO) -> None:
        """A file that is open for reading."""
        self._blocks = _decompressed(stream)
        self._left = b""

    def take(self, file: KeptFile) -> Iterator[bytes]:
        """All bytes of the next file."""
        missing, digest = file.size, hashlib.sha256()
        while missing:
            block = self._left or next(self._blocks, b"")
            if not block:
                raise DamagedError(f"ends within {file.path}")
            block, self._left = block[:missing], block[missing:]
            missing -= len(block)
            digest.update(block)
            yield block
        if digest.hexdigest() != file.sha256:
            raise DamagedError(f"has another {file.path} than was added")

    def end(self) -> None:
        """DamagedError where more follows."""
        if self._left or next(self._blocks, b""):
            raise DamagedError("holds more than was added")


def _decompressed(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks that are not empty, of a megabyte at most, however small the file is."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
    try:
        while not decompressor.eof:
            given = stream.read(_BLOCK) if decompressor.needs_input else b""
            if decompressor.needs_input and not given:
                raise DamagedError("ends too early")
            if block := decompressor.decompress(given, _BLOCK):
                yield block
    except lzma.LZMAError as error:
        raise DamagedError(f"cannot be decompressed: {error}") from error
    if decompressor.unused_data or stream.read(1):
        raise DamagedError("holds more than was added")


def refuse_paths(files: Sequence[KeptFile]) -> None:
    """DamagedError for a path that could leave the folder that it is unpacked into, and for one that stands
    there twice."""
    seen: set[PurePosixPath] = set()
    for each in files:
        path = PurePosixPath(each.path)
        parts = each.path.split("/")
        is_plain = all(
            part not in ("", ".", "..") and "\\" not in part and "\0" not in part for part in parts
        )
        if not is_plain or len(parts) > MOST_DEPTH or each.size < 0 or why_no_text(each.path):
            raise DamagedError(f"names a file that no run has: {each.path[:80]!r}")
        if path in seen or any(above in seen for above in path.parents):
            raise DamagedError(f"names {each.path} twice")
        seen.add(path)


def unpack(contents: Path, files: Sequence[KeptFile], target: Path) -> None:
    """Write the files below a new folder. Raises DamagedError, and OSError."""
    for each, blocks in unpacked(contents, files):
        file = target / each.path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as written:
            written.writelines(blocks)
