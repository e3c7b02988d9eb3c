"""A locked clock is given back whatever ends the work, and what a kill leaves behind is told and mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.host import locked_clocks
from bench.host.locked_clocks import locked, markers, refuse_left_locked, unlock_left
from models.errors import UserError
from tests.planted.commands import ROOT
from tests.planted.fake_nvml import FakeGpu, FakeNvml

UUID = "GPU-11111111-aaaa"


def test_the_clock_is_locked_meanwhile_and_a_marker_says_so(tmp_path: Path) -> None:
    gpu = FakeGpu()
    with locked(gpu, 1200, tmp_path):
        assert gpu.locked_at == 1200
        (marker,) = markers(tmp_path)
        assert (marker.uuid, marker.mhz, marker.pid, marker.is_held) == (UUID, 1200, os.getpid(), True)
    assert (gpu.locked_at, markers(tmp_path), list(tmp_path.iterdir())) == (None, [], [])


def test_the_marker_is_there_before_the_lock(tmp_path: Path) -> None:
    """A kill between the two leaves a marker without a lock, and never a lock without a marker."""
    seen: list[int] = []
    gpu = FakeGpu(may_lock=lambda: seen.append(len(markers(tmp_path))))
    with locked(gpu, 1200, tmp_path):
        assert seen == [1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, UserError])
def test_whatever_is_raised_the_clock_is_given_back(tmp_path: Path, error: type[BaseException]) -> None:
    gpu = FakeGpu()
    with pytest.raises(error), locked(gpu, 1200, tmp_path):
        raise error("x")
    assert (gpu.locked_at, markers(tmp_path)) == (None, [])


@pytest.mark.parametrize(
    ("planted", "mhz", "why"),
    [
        ({"may_lock": "Insufficient Permissions"}, 1200, r"does not lock .* \(Insufficient Permissions\)"),
        ({"mig": True}, 1200, "divided by MIG"),
        ({}, 1981, "goes up to 1980 MHz, not 1981"),
        ({"max_clocks": "GPU is lost"}, 1200, "GPU is lost"),
    ],
)
def test_what_cannot_be_locked_is_said_in_a_sentence_and_nothing_is_left(
    tmp_path: Path, planted: dict[str, Any], mhz: int, why: str
) -> None:
    gpu = FakeGpu(**planted)
    with pytest.raises(UserError, match=why), locked(gpu, mhz, tmp_path):
        pytest.fail("it went on without the lock")
    assert (gpu.locked_at, markers(tmp_path)) == (None, [])


def test_a_second_convbench_does_not_take_the_clock_from_the_first(tmp_path: Path) -> None:
    gpu = FakeGpu()
    with locked(gpu, 1200, tmp_path):
        with pytest.raises(UserError, match="another convbench has locked"), locked(gpu, 900, tmp_path):
            pytest.fail("both have it")
        assert gpu.locked_at == 1200
        assert len(markers(tmp_path)) == 1
        refuse_left_locked(UUID, tmp_path)
        assert unlock_left(lambda: FakeNvml((gpu,)), tmp_path) == (
            [
                f"The SM clock of {UUID}, locked at 1200 MHz, belongs to a convbench that is running "
                f"(process {os.getpid()})."
            ],
            False,
        )
        assert gpu.locked_at == 1200


def test_a_clock_that_cannot_be_given_back_keeps_its_marker(tmp_path: Path) -> None:
    gpu = FakeGpu(may_unlock="GPU is lost")
    with (
        pytest.raises(UserError, match=r"still locked at 1200 MHz \(GPU is lost\)"),
        locked(gpu, 1200, tmp_path),
    ):
        pass
    assert len(markers(tmp_path)) == 1


LOCKING = """
import signal, sys, time
from pathlib import Path
from bench.host.locked_clocks import locked
from tests.planted.fake_nvml import FakeGpu

class Noting(FakeGpu):
    def unlock_sm_clock(self):
        Path(sys.argv[2]).write_text("given back")

if sys.argv[3] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
with locked(Noting(), 1200, Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(float(sys.argv[4]))
"""


def killed(tmp_path: Path, number: int, how: str = "", seconds: float = 60.0) -> tuple[int, bool]:
    """The exit code of a process that is sent a signal while it holds a lock, and whether it gave it back."""
    note = tmp_path / "note"
    command = [sys.executable, "-c", LOCKING, str(tmp_path / "markers"), str(note), how, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        process.send_signal(number)
        code = process.wait(30)
    return code, note.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_ends_the_process_gives_the_clock_back(tmp_path: Path, number: int) -> None:
    code, given_back = killed(tmp_path, number)
    assert given_back
    assert code in (128 + number, -number)
    assert markers(tmp_path / "markers") == []


def test_a_signal_that_the_user_has_ignored_stays_ignored(tmp_path: Path) -> None:
    code, given_back = killed(tmp_path, signal.SIGHUP, "nohup", seconds=0.5)
    assert (code, given_back) == (0, True)


def test_after_a_kill_the_next_start_says_so_and_doctor_mends_it(tmp_path: Path) -> None:
    assert killed(tmp_path, signal.SIGKILL) == (-signal.SIGKILL, False)
    folder, gpu = tmp_path / "markers", FakeGpu(locked_at=1200)
    (marker,) = markers(folder)
    assert not marker.is_held
    for uuid in (UUID, None):
        with pytest.raises(UserError, match=rf"killed left .* {UUID} locked at 1200 MHz: .*--unlock-clocks"):
            refuse_left_locked(uuid, folder)
    refuse_left_locked("GPU-of-another-name", folder)
    with pytest.raises(UserError, match="a convbench that was killed"), locked(gpu, 900, folder):
        pytest.fail("the old lock was forgotten")
    said, mended = unlock_left(lambda: FakeNvml((gpu,)), folder)
    assert said == [
        f"The SM clock of {UUID}, locked at 1200 MHz by a convbench that was killed, is given back."
    ]
    assert (mended, gpu.locked_at, markers(folder)) == (True, None, [])
    refuse_left_locked(UUID, folder)


def test_what_convbench_did_not_lock_is_left_alone(tmp_path: Path) -> None:
    gpu = FakeGpu(locked_at=900)
    said = unlock_left(lambda: FakeNvml((gpu,)), tmp_path)
    assert said == (["convbench left no clocks locked on this machine."], True)
    assert gpu.locked_at == 900


def left_behind(folder: Path) -> None:
    """As by a process that was killed: its number belongs to another by now, which began later."""
    marker = locked_clocks.LockMarker(uuid=UUID, mhz=1200, pid=os.getpid(), started=time.time() - 1e6)
    locked_clocks._write(marker, folder)


@pytest.mark.parametrize("refusal", ["Insufficient Permissions", "GPU is lost"])
def test_what_cannot_be_mended_says_why_and_stays_marked(tmp_path: Path, refusal: str) -> None:
    left_behind(tmp_path)
    said, mended = unlock_left(lambda: FakeNvml((FakeGpu(may_unlock=refusal),)), tmp_path)
    assert said == [f"The SM clock of {UUID}, locked at 1200 MHz, cannot be given back: {refusal}."]
    assert not mended
    assert len(markers(tmp_path)) == 1


def test_a_file_that_is_no_marker_is_named(tmp_path: Path) -> None:
    left_behind(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    with pytest.raises(UserError, match="does not say which clocks"):
        markers(tmp_path)


def test_a_uuid_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "markers"
    with locked(FakeGpu(gpu_uuid="../../GPU-1"), 1200, folder):
        (file,) = tmp_path.rglob("*.json")
        assert file.parent == folder
