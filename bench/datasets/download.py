"""Fills the cache: what is there afterwards is whole and checked, or it is not there."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.datasets.data_files import Archive, cache_folder
from models.errors import UserError

SILENCE_SECONDS = 30.0
"""A server that sends nothing for so long is given up: a dead one would be waited for without end."""

_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.ENOLCK)


def fetch(archive: Archive, data_dir: Path | None, download: Callable[[Path], None]) -> None:
    """Check what lies in `data_dir`; without one fill the cache by `download(folder)`, unless it is filled.

    UserError says what failed and what can be done. Of several processes one downloads, and the others
    wait for it.
    """
    if data_dir is not None:
        for _ in archive.read(data_dir):
            pass
        return
    from http.client import HTTPException  # late: listing the datasets needs no network

    folder = cache_folder()
    if archive.why_not_whole(folder) is None:  # before all that writes: the cache may be read-only
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f".{archive.dataset}.lock"):
            if archive.why_not_whole(folder) is not None:
                _replace(archive, folder, download)
    except (OSError, HTTPException, RuntimeError, UserError) as error:  # RuntimeError: torchvision's own
        raise UserError(_failed(archive, folder, error)) from error


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process is in here. The kernel ends the lock of a process that was killed."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(archive: Archive, folder: Path, download: Callable[[Path], None]) -> None:
    partial = folder / f".{archive.dataset}.partial"
    for left in (partial, folder / archive.top):  # of a process that was killed; torn or changed since
        if left.exists():
            shutil.rmtree(left)
    partial.mkdir()
    try:
        with _given_up_after(SILENCE_SECONDS):
            download(partial)
        fault = archive.why_not_whole(partial)
        if fault:
            raise UserError(fault)
        (partial / archive.top).rename(folder / archive.top)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _given_up_after(seconds: float) -> Iterator[None]:
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _failed(archive: Archive, folder: Path, error: Exception) -> str:
    # torchvision's words for a wrong checksum name neither it nor the download.
    said = str(error).replace("File not found or corrupted.", "what came has a wrong checksum")
    reason = " ".join(said.split()) or type(error).__name__
    remedy = "set XDG_CACHE_HOME to another folder" if _is_local(error) else "try again on another network"
    return (
        f"{archive.dataset} could not be downloaded to {folder}: {reason.rstrip('.')}; {remedy}, "
        f"or give --data-dir a folder that contains {archive.top} as torchvision unpacks it"
    )


def _is_local(error: Exception) -> bool:
    """Whether it is this machine's fault and no network's: a full disk, or a path, which the error names."""
    from urllib.error import URLError

    if not isinstance(error, OSError) or isinstance(error, URLError):  # URLError names the address as a path
        return False
    return error.errno in _LOCAL or error.filename is not None
