"""What is known of a job without asking a scheduler: `jobs/NAME.*`.

NAME.json     the job, written before it is submitted, and again with its id
NAME.sh       its script
NAME.log      what it printed
NAME.started  by the job itself: the scheduler's id, the node's clock
NAME.exit     by the job itself: its exit code
NAME.seen     the last that the scheduler said of it
cancelled     `fleet cancel` was called: nothing more is submitted
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from bench.contracts.executor import Job, JobEnd, JobPhase, JobState, Submitted
from bench.fleet import fleet_folder
from bench.schema import plain_text
from bench.store import write_whole

TAIL_LINES = 12
_TAIL_BYTES = 8192
_Kept = TypeVar("_Kept", bound=Struct)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class KeptJob(Struct, frozen=True, kw_only=True):
    """A job of the fleet.

    seconds  after which the scheduler is to end it
    at       when it was prepared: seconds since 1970, by the clock of the machine that submits
    id       the scheduler's; None before it is known
    refused  why the scheduler did not take it, or why it could not be prepared; empty where it was taken
    down     why it was not submitted: the node gets no jobs
    """

    name: str
    node: str
    attempt: int
    seconds: float
    at: float
    id: str | None = None
    refused: str = ""
    down: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """The last that the scheduler said of a job.

    lost           it does not know the job, which left no exit code
    clock_seconds  by which the node's clock is ahead of the shared folder's
    """

    id: str | None = None
    phase: JobPhase = "waiting"
    end: JobEnd | None = None
    word: str = ""
    reason: str = ""
    lost: bool = False
    clock_seconds: float | None = None

    @property
    def is_over(self) -> bool:
        return self.lost or self.phase == "ended"

    def told(self, state: JobState) -> Seen:
        """With what the scheduler says now."""
        return structs.replace(
            self,
            id=state.id,
            phase=state.phase,
            end=state.end,
            word=state.word,
            reason=state.reason,
        )


class JobFiles:
    """The files of one job; reading them raises nothing, as another machine may be writing them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._begins = fleet_folder.jobs_folder(folder) / name

    def path(self, ending: str) -> Path:
        return self._begins.with_name(f"{self._begins.name}.{ending}")

    def text(self, ending: str) -> str:
        """Empty where there is none."""
        try:
            return self.path(ending).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    @property
    def exit_code(self) -> int | None:
        """Of the job's script; None while it has left none."""
        written = self.text("exit")
        return int(written) if written.isdecimal() else None

    @property
    def has_started(self) -> bool:
        return self.path("started").exists()

    def clock_seconds(self) -> float | None:
        """By which the node's clock was ahead of the shared folder's when the job started."""
        words = self.text("started").split()
        try:
            return float(words[1]) - int(self.path("started").stat().st_mtime)
        except (OSError, IndexError, ValueError):
            return None

    def tail(self) -> tuple[str, ...]:
        """The last lines of the log, as plain text."""
        try:
            with self.path("log").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ()
        lines = (_CONTROL.sub("", line).rstrip() for line in text.splitlines())
        return tuple([line for line in lines if line][-TAIL_LINES:])

    def seen(self) -> Seen:
        return _decoded(self.path("seen"), Seen) or Seen()

    def write_seen(self, seen: Seen) -> None:
        write_whole(self.path("seen"), plain_text.encode(seen) + b"\n")


def keep(folder: Path, job: KeptJob) -> None:
    """On the disk when this returns. UserError where that is refused."""
    write_whole(JobFiles(folder, job.name).path("json"), plain_text.encode(job) + b"\n")


def kept_jobs(folder: Path) -> dict[str, list[KeptJob]]:
    """The jobs of each node, in the order of their attempts."""
    found: dict[str, list[KeptJob]] = {}
    for job in _all(folder):
        found.setdefault(job.node, []).append(job)
    return {node: sorted(jobs, key=lambda job: job.attempt) for node, jobs in found.items()}


def _all(folder: Path) -> Iterator[KeptJob]:
    for path in fleet_folder.jobs_folder(folder).glob("*.json"):
        job = _decoded(path, KeptJob)
        if job is not None:
            yield job


def submitted(folder: Path, job: KeptJob) -> Submitted:
    """The job as an executor takes it; its id may be known from the job itself alone."""
    files = JobFiles(folder, job.name)
    own = [word for word in files.text("started").split()[:1] if word != "-"]
    handed = Job(
        name=job.name,
        node=job.node,
        script=files.path("sh"),
        log=files.path("log"),
        seconds=job.seconds,
    )
    return Submitted(job=handed, id=job.id or (own[0] if own else None))


def mark_cancelled(folder: Path) -> None:
    """A command that submits jobs of this fleet submits no more of them."""
    write_whole(fleet_folder.jobs_folder(folder) / "cancelled", f"{time.time()}\n".encode())


def forget_cancelled(folder: Path) -> None:
    (fleet_folder.jobs_folder(folder) / "cancelled").unlink(missing_ok=True)


def is_cancelled(folder: Path) -> bool:
    return (fleet_folder.jobs_folder(folder) / "cancelled").exists()


def _decoded(path: Path, type_: type[_Kept]) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
