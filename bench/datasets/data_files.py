"""Files of known size and checksum in a folder. No torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.errors import UserError


def cache_folder() -> Path:
    """Where downloads lie: `$XDG_CACHE_HOME/convbench/datasets`, by default below ~/.cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # unset, empty, or to be ignored, as the XDG specification says
        try:
            cache = Path.home() / ".cache"
        except RuntimeError:
            raise UserError("no home folder for downloads. Set XDG_CACHE_HOME") from None
    return cache / "convbench" / "datasets"


@dataclass(frozen=True)
class File:
    """One file: its path below the folder, size in bytes, md5.

    md5 finds what is torn or mixed up. It is what the sources publish.
    """

    path: str
    size: int
    md5: str

    def why_missing(self, folder: Path) -> str | None:
        """A sentence unless a file of this size is there."""
        path = folder / self.path
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return f"{path} is missing"
        except OSError as error:
            return f"{path} cannot be read ({error.strerror})"
        return None if size == self.size else f"{path} has {size:,} bytes instead of {self.size:,}"

    def read(self, folder: Path) -> bytes:
        """The file's bytes, and no others than those of the checksum; UserError."""
        fault = self.why_missing(folder)
        if fault:
            raise UserError(fault)
        path = folder / self.path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})") from error
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if md5 != self.md5:
            raise UserError(f"{path} has md5 {md5} instead of {self.md5}")
        return content


@dataclass(frozen=True)
class Archive:
    """The files of one dataset, all below one folder `top`."""

    dataset: str
    top: str
    files: tuple[File, ...]

    def why_missing(self, data_dir: Path | None) -> str | None:
        """A sentence where `data_dir` lacks a file or one has another size. The cache can be filled."""
        if data_dir is None:
            return None
        faults = (file.why_missing(data_dir) for file in self.files)
        return next((self._told(data_dir, fault) for fault in faults if fault), None)

    def read(self, data_dir: Path | None) -> Iterator[bytes]:
        """The files' bytes one after the other, each checked; UserError."""
        folder = cache_folder() if data_dir is None else data_dir
        for file in self.files:
            try:
                yield file.read(folder)
            except UserError as error:
                raise UserError(self._told(data_dir, str(error))) from error

    def why_not_whole(self, folder: Path) -> str | None:
        """A sentence unless every file is there with the right checksum."""
        try:
            for file in self.files:
                file.read(folder)
        except UserError as error:
            return str(error)
        return None

    def _told(self, data_dir: Path | None, fault: str) -> str:
        if data_dir is None:
            return f"{self.dataset} is incomplete in the cache: {fault}. Run the command again to download it"
        return (
            f"--data-dir {data_dir} does not contain all of {self.dataset}: {fault}. "
            f"Give a --data-dir that contains the folder {self.top} as torchvision unpacks it, "
            f"or leave --data-dir out to download {self.dataset}"
        )
