"""The SM clock of a GPU locked while something is measured, and given back whatever happens.

A lock outlives the process that asked for it. So a marker is written before it and removed after it was given
back: what a kill leaves behind is told by the next start, and `convbench doctor --unlock-clocks` mends it.
The driver does not tell a lock that others have set, which is gone afterwards.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec
import psutil
from msgspec import Struct

from bench.host.nvml import Nvml, NvmlGpu, UnreadableError, is_divided
from models.errors import UserError

_MEND = "convbench doctor --unlock-clocks gives it back"
_SAME_PROCESS_SECONDS = 1.0
"""How far two readings of when a process began may differ; another process of its number began later."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a process at once unless somebody listens."""


class LockMarker(Struct, frozen=True, kw_only=True):
    """Whose SM clock is locked at what (MHz), by which process and since when that one runs (s)."""

    uuid: str
    mhz: int
    pid: int
    started: float

    @property
    def is_held(self) -> bool:
        """Whether the process that locked it is still there."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < _SAME_PROCESS_SECONDS
        except psutil.NoSuchProcess:
            return False

    @property
    def is_own(self) -> bool:
        """Whether this process has locked it."""
        return self.pid == os.getpid() and self.is_held


def marker_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_STATE_HOME/convbench/locked-clocks`, by default below ~/.local/state."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # unset, empty, or to be ignored, as the XDG specification says
        state = Path.home() / ".local" / "state"
    return state / "convbench" / "locked-clocks"


def markers(folder: Path | None = None) -> list[LockMarker]:
    """Those of this host. Raises UserError for a file that is none."""
    found = []
    for file in sorted((folder or marker_folder()).glob(f"{_plain(platform.node())}+*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=LockMarker))
        except FileNotFoundError:  # given back meanwhile
            continue
        except msgspec.DecodeError as error:
            raise UserError(f"{file} does not say which clocks are locked ({error}): delete it") from error
    return found


def refuse_left_locked(uuid: str | None, folder: Path | None = None) -> None:
    """UserError where a process that is gone left the SM clock of this GPU locked, or of any where None."""
    for marker in markers(folder):
        if uuid in (None, marker.uuid) and not marker.is_held:
            raise UserError(
                f"a convbench that was killed left the SM clock of {marker.uuid} locked at {marker.mhz} MHz: "
                f"{_MEND}"
            )


@contextmanager
def locked(gpu: NvmlGpu, mhz: int, folder: Path | None = None) -> Iterator[None]:
    """The SM clock of the GPU locked at `mhz`, and given back at the end, also of an exception or a signal.

    Raises UserError where the driver refuses, the GPU is divided, or convbench has locked its clock already.
    """
    uuid = _lockable(gpu, mhz)
    marker = LockMarker(uuid=uuid, mhz=mhz, pid=os.getpid(), started=psutil.Process().create_time())
    refuse_left_locked(uuid, folder)
    refused: UnreadableError | None = None
    with _signals_raise():
        file = _write(marker, folder or marker_folder())
        try:
            refused = _why_not_locked(gpu, mhz)
            if refused is None:
                yield
        finally:
            if refused is None:
                _give_back(gpu, marker)
            file.unlink(missing_ok=True)
    if refused is not None:
        raise UserError(
            f"--lock-clocks: the driver does not lock the clock of {uuid} ({refused}); mostly root alone may"
        ) from refused


def unlock_left(open_nvml: Callable[[], Nvml], folder: Path | None = None) -> tuple[list[str], bool]:
    """Give back what processes that are gone left locked: a sentence a marker, and whether all is mended.

    Only what convbench locked is touched: a clock without a marker is left alone.
    """
    folder = folder or marker_folder()
    said, mended = [], True
    for marker in markers(folder):
        name = f"The SM clock of {marker.uuid}, locked at {marker.mhz} MHz"
        if marker.is_held:
            said.append(f"{name}, belongs to a convbench that is running (process {marker.pid}).")
            mended = False
            continue
        try:
            open_nvml().by_uuid(marker.uuid).unlock_sm_clock()
        except UnreadableError as error:
            said.append(f"{name}, cannot be given back: {error}.")
            mended = False
            continue
        _file_of(marker.uuid, folder).unlink(missing_ok=True)
        said.append(f"{name} by a convbench that was killed, is given back.")
    return said or ["convbench left no clocks locked on this machine."], mended


def _lockable(gpu: NvmlGpu, mhz: int) -> str:
    """The GPU's UUID; UserError where its clock cannot be asked for, or not so high."""
    try:
        uuid, most = gpu.uuid(), gpu.max_sm_clock_mhz()
    except UnreadableError as error:
        raise UserError(f"--lock-clocks: the driver does not say what the GPU can do ({error})") from error
    if is_divided(gpu):
        raise UserError(f"--lock-clocks: {uuid} is divided by MIG, and its clock is that of all its parts")
    if mhz > most:
        raise UserError(f"--lock-clocks: the SM clock of {uuid} goes up to {most} MHz, not {mhz}")
    return uuid


def _why_not_locked(gpu: NvmlGpu, mhz: int) -> UnreadableError | None:
    """Lock it; the driver's refusal, or None."""
    try:
        gpu.lock_sm_clock(mhz)
    except UnreadableError as error:
        return error
    return None


def _give_back(gpu: NvmlGpu, marker: LockMarker) -> None:
    try:
        gpu.unlock_sm_clock()
    except UnreadableError as error:
        raise UserError(
            f"the SM clock of {marker.uuid} is still locked at {marker.mhz} MHz ({error}): {_MEND}"
        ) from error


def _write(marker: LockMarker, folder: Path) -> Path:
    """The marker's file, there as a whole or not at all; UserError where another process has one."""
    folder.mkdir(parents=True, exist_ok=True)
    file = _file_of(marker.uuid, folder)
    own = file.with_suffix(f".{marker.pid}")
    own.write_bytes(msgspec.json.encode(marker))
    try:
        file.hardlink_to(own)
    except FileExistsError as error:
        raise UserError(f"--lock-clocks: another convbench has locked the clock of {marker.uuid}") from error
    finally:
        own.unlink()
    return file


def _file_of(uuid: str, folder: Path) -> Path:
    return folder / f"{_plain(platform.node())}+{_plain(uuid)}.json"


def _plain(name: str) -> str:
    """A name that stays in its folder."""
    return re.sub(r"[^\w.-]", "_", name)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Signals that would end the process at once raise SystemExit instead, where nobody else listens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    unheard = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in unheard:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in unheard:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
