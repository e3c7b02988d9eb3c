"""This host, without any scheduler: a job is a process group of its own."""

from __future__ import annotations

import platform
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from bench.contracts.executor import Job, JobState, Node, Refused, Submitted
from bench.host.nvml import UnreadableError
from bench.host.nvml_driver import open_nvml
from bench.schema.fleet_plan import Site
from models.errors import UserError

MOST_CELLS = 64
_KILL_SECONDS = 10
_RANGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*\]")
"""What stands behind a bracket in a list of nodes."""
_LOOK_SECONDS = 0.02
_REAP_SECONDS = 1
_TIMED_OUT = (124, 137)
"""What `timeout` of coreutils says of a program that it ended, with SIGTERM and with SIGKILL."""
_WRAPPED = 'timeout -k "$1" "$2" bash "$3"; echo $? > "$4"'


class _Process(Struct, frozen=True):
    """Which process a job is: numbers are used again, so its start counts too."""

    pid: int
    created: float
    host: str


class LocalExecutor:
    """Jobs as processes of this host, found again by the file beside their script."""

    name = "local"
    summary = "this host, one job after the other; --nodes N makes N cells of its CPU, to try a fleet out"
    jobs_at_once: int | None = 1
    is_here = True

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def why_absent(self) -> str | None:
        """Every host has itself."""
        return None

    def nodes(self, wanted: str | None, site: Site) -> tuple[Node, ...]:
        """This host, or cells of it. UserError for a number of them that makes no sense."""
        gpus = _gpus()
        if wanted is None:
            return (Node(name=platform.node().partition(".")[0] or "localhost", gpus=gpus),)
        if wanted.isdecimal():
            if not 1 <= int(wanted) <= MOST_CELLS:
                raise UserError(f"--nodes must be from 1 to {MOST_CELLS} on this host, got {wanted}")
            names = [f"cell{number}" for number in range(1, int(wanted) + 1)]
        else:
            names = _names(wanted)
        return tuple(Node(name=name, gpus=gpus) for name in dict.fromkeys(names))

    def submit(self, job: Job, site: Site) -> str:
        """Start it, with its output in its log."""
        words = [str(_KILL_SECONDS), f"{job.seconds:.0f}", str(job.script), str(_file(job, "ended"))]
        try:
            with job.log.open("ab") as log:
                child = subprocess.Popen(
                    ["bash", "-c", _WRAPPED, "convbench", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise Refused(f"cannot start bash: {error.strerror or error}") from error
        self._children[job.name] = child
        process = _Process(child.pid, psutil.Process(child.pid).create_time(), platform.node())
        _file(job, "pid").write_bytes(msgspec.json.encode(process))
        return str(child.pid)

    def states(self, submitted: Sequence[Submitted]) -> Mapping[str, JobState]:
        """Of those that this host has started. UserError for a job that another host has."""
        found = {}
        for each in submitted:
            process = _process(each.job)
            if process is not None:
                found[each.job.name] = self._state(each.job, process)
        return found

    def _state(self, job: Job, process: _Process) -> JobState:
        child = self._children.get(job.name)
        if child is not None:
            child.poll()  # so that it is no zombie
        if _is_alive(process):
            return JobState(id=str(process.pid), phase="running")
        code = _file(job, "ended")
        is_late = code.exists() and code.read_text().strip() in map(str, _TIMED_OUT)
        return JobState(id=str(process.pid), phase="ended", end="timed out" if is_late else "by itself")

    def cancel(self, submitted: Sequence[Submitted]) -> None:
        """End them with all that they started, and wait until that is gone."""
        alive = [found for each in submitted if (found := _process(each.job)) and _is_alive(found)]
        left = _with_children([psutil.Process(found.pid) for found in alive])
        for sent, seconds in ((signal.SIGTERM, _KILL_SECONDS), (signal.SIGKILL, 1)):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(sent)
            left = _with_children(_left_after(left, seconds))


def _names(wanted: str) -> list[str]:
    """Of `n[1-3,7],m2` five, as schedulers read it. UserError for ranges that are none, and for too many."""
    found: list[str] = []
    for item in re.split(r",(?![^\[]*\])", wanted):
        name, bracket, ranges = item.strip().partition("[")
        if not bracket:
            found += [name] if name else []
            continue
        if _RANGES.fullmatch(ranges) is None:
            raise UserError(f"--nodes must be a number or names such as n1,n2 or 'n[1-4]', got {wanted!r}")
        for each in ranges[:-1].split(","):
            first, _, last = each.partition("-")
            numbers = range(int(first), min(int(last or first), int(first) + MOST_CELLS) + 1)
            found += [f"{name}{number:0{len(first)}}" for number in numbers]
    if len(found) > MOST_CELLS:
        raise UserError(f"--nodes must name 1 to {MOST_CELLS} cells on this host, got {wanted!r}")
    return found


def _with_children(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """A job's own process ends before those below it, so they are looked up first, by no group: `timeout`
    has one of its own."""
    found = dict.fromkeys(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found.update(dict.fromkeys(process.children(recursive=True)))
    return list(found)


def _left_after(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run then. A zombie does not: whoever inherits it may never ask for its end, and has a
    moment for it."""
    until = time.monotonic() + seconds
    left = [process for process in processes if _runs(process)]
    while left and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        left = [process for process in left if _runs(process)]
    if not left:
        psutil.wait_procs(processes, timeout=_REAP_SECONDS)
    return left


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _gpus() -> int:
    try:
        return len(open_nvml().gpus())
    except UnreadableError:
        return 0


def _file(job: Job, ending: str) -> Path:
    return job.script.with_suffix(f".{ending}")


def _process(job: Job) -> _Process | None:
    """Of a job that was started; UserError where that was on another host."""
    try:
        process = msgspec.json.decode(_file(job, "pid").read_bytes(), type=_Process)
    except (OSError, msgspec.DecodeError):
        return None
    if process.host != platform.node():
        raise UserError(f"the jobs of this fleet are processes of {process.host}: give the command there")
    return process


def _is_alive(process: _Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid)
        return abs(found.create_time() - process.created) < 1 and _runs(found)
    return False


EXECUTOR = LocalExecutor()
