"""How the ranks of a job ended, from what each left in the job's folder and in its log."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.forkserver.failure import SpokenError
from bench.forkserver.outcome import describe_exit, explain
from bench.forkserver.stages import last_line, last_stage, tail
from bench.forkserver.wire import ChildError
from bench.schema import durations
from bench.schema.job import RankFiles
from models.errors import UserError

ERROR, WHERE, DONE = "error", "where", "done"
"""Files of a rank: what it raised, where it was when it was told to end, and that it ended well."""
_FRAME = re.compile(r'File "(?P<file>[^"]*)", line (?P<line>[0-9]+) in (?P<function>.*)')
"""Of faulthandler, the innermost first."""


class RankEnd(Struct, frozen=True, kw_only=True):
    """What is known of one rank.

    error      that it raised, and when (s since the epoch)
    where      it was when it was told to end: `sleep (net.py:12)`; empty where it did not answer
    last_line  of its log; empty where that has none
    during     the stage that its log names last, in parentheses
    is_done    whether it ended well
    """

    rank: int
    error: ChildError | None = None
    raised_at: float = 0.0
    where: str = ""
    last_line: str = ""
    during: str = ""
    is_done: bool = False


def file_of(folder: Path, rank: int, kind: str) -> Path:
    """In the job's folder."""
    return folder / f"rank{rank}.{kind}"


def log_of(logs: str, rank: int) -> Path:
    """What a rank prints."""
    return Path(f"{logs}.rank{rank}.log")


def read_ends(files: RankFiles) -> list[RankEnd]:
    """Of all ranks of the job."""
    return [_end(files, rank) for rank in range(files.ranks)]


def _end(files: RankFiles, rank: int) -> RankEnd:
    folder, log = Path(files.folder), log_of(files.logs, rank)
    raised = file_of(folder, rank, ERROR)
    found = msgspec.json.decode(raised.read_bytes(), type=ChildError) if raised.exists() else None
    return RankEnd(
        rank=rank,
        error=found,
        raised_at=raised.stat().st_mtime if found else 0.0,
        where=_innermost(tail(file_of(folder, rank, WHERE))),
        last_line=last_line(tail(log)),
        during=last_stage(log),
        is_done=file_of(folder, rank, DONE).exists(),
    )


def _innermost(stack: str) -> str:
    found = _FRAME.search(stack)
    return f"{found['function']} ({Path(found['file']).name}:{found['line']})" if found else ""


def why_failed(ends: Sequence[RankEnd], failed: int, exit_code: int, memory_kills: int = 0) -> Exception:
    """The exception that a job ends with: `failed` is the rank that the launcher saw end first, and
    `memory_kills` are those of the kernel meanwhile.

    A rank that died without raising anything is the cause; else the rank that raised first.
    """
    raised = sorted((end for end in ends if end.error), key=lambda end: end.raised_at)
    cause = next((end for end in ends if end.rank == failed), None)
    if raised and (cause is None or cause.error is not None):
        return _why_raised(raised[0])
    said = f": {cause.last_line}" if cause and cause.last_line else ""
    during = cause.during if cause else ""
    if memory_kills and exit_code == -signal.SIGKILL:
        return MemoryError(f"rank {failed} was killed by the kernel for want of memory{during}")
    return SpokenError(f"rank {failed} {describe_exit(exit_code)}{during}{said}")


def _why_raised(end: RankEnd) -> Exception:
    """Memory that ran out and a refusal stay what they are."""
    assert end.error is not None
    kind, reason = explain(end.error)
    if kind == "invalid":
        return UserError(reason)
    sentence = f"rank {end.rank}{end.during}: {reason}"
    return MemoryError(sentence) if kind == "oom" else SpokenError(sentence)


def why_late(ends: Sequence[RankEnd], seconds: float) -> str:
    """A sentence for a job that did not end in time."""
    open_ends = [end for end in ends if not end.is_done]
    told = "; ".join(f"rank {end.rank} {_doing(end)}" for end in open_ends)
    return f"timed out after {durations.in_words(seconds)}" + (f": {told}" if told else "")


def _doing(end: RankEnd) -> str:
    if end.error is not None:
        return f"raised {end.error.types[0]}"
    place = f"was in {end.where}" if end.where else "did not answer"
    return place + end.during + (f", and last said: {end.last_line}" if end.last_line else "")
