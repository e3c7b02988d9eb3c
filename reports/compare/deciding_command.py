"""The command that measures what the inconclusive rows of a comparison ask for, and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from bench.plan.suite import MOST_PROCESSES
from bench.schema.phases import whole
from bench.schema.record import FAILED
from bench.stats.moderation import MOST_MORE, half_width
from reports.analysis.further_processes import (
    WHEN_ALONE,
    again,
    narrowing,
    resume_command,
    rounded_down,
    seconds_to,
    share,
)
from reports.compare.comparison_rows import ComparisonRow, WhatDecides
from reports.document import NextStep
from reports.summary.contended import not_alone
from reports.summary.figures import THROUGHPUT_METRICS, Summary

FIND_NOISE = "convbench doctor"


class ComparedFolders(Struct, frozen=True, kw_only=True):
    """What was compared: the folders and the summaries of BASE and of NEW."""

    base: Sequence[Path]
    new: Sequence[Path]
    summaries: tuple[Summary, Summary]

    @property
    def sides(self) -> tuple[_Side, _Side]:
        """BASE and NEW."""
        return _Side(0, self.base, self.summaries[0]), _Side(1, self.new, self.summaries[1])


class _Side(Struct, frozen=True):
    """BASE (0) or NEW (1), its runs and what they say."""

    at: int
    directories: Sequence[Path]
    summary: Summary


class _Asked(Struct, frozen=True):
    """A row and what would decide it."""

    row: ComparisonRow
    what: WhatDecides


def deciding_in_words(rows: Sequence[ComparisonRow], compared: ComparedFolders) -> Iterator[str]:
    """A sentence each for rows that ask for processes, runs and pairs; none where all is decided."""
    asked = _asked(rows)
    processes = [each.what for each in asked if each.what.of == "process"]
    if processes:
        typed = _typed_by_hand(asked, compared)
        how = f" To add them: {typed}." if typed else ""
        yield f"{_asking(len(processes))} {_most(processes, 'process', 'processes')} on each side.{how}"
    for of, how in (
        ("run", "Give each run a new folder"),
        ("pair", "Pairs cannot be added: start a new ab with a larger --budget"),
    ):
        found = [each.what for each in asked if each.what.of == of]
        if found:
            yield f"{_asking(len(found))} {_most(found, of, f'{of}s')} on each side. {how}."


def deciding_step(
    rows: Sequence[ComparisonRow], compared: ComparedFolders, *, same_machine: bool
) -> NextStep | None:
    """The command that decides rows that processes can decide; where no number of them does, the one that
    finds what scatters. None where nothing is open, or no single command says it."""
    asked = [each for each in _asked(rows) if each.what.of == "process"]
    known = [each for each in asked if each.what.more is not None]
    if asked and not known:
        rows_need = "1 row needs" if len(asked) == 1 else f"{len(asked):,} rows need"
        purpose = f"finds what makes this machine noisy; {rows_need} more than {MOST_MORE} more processes"
        return NextStep(command=FIND_NOISE, purpose=purpose)
    if not known or _has_several(compared):
        return None
    commands = [_command(known, side) for side in compared.sides]
    typed = _typed(commands, compared.sides)
    if None in typed:
        return None
    is_failed = any(outcome.status in FAILED for outcome in compared.summaries[0].outcomes)
    joined = ("; " if is_failed else " && ").join(map(str, typed))  # what failed is exit code 1, again
    purpose = _purpose(len(known), len(asked), compared, same_machine)
    return NextStep(command=joined, purpose=purpose, seconds=_seconds(commands))


def _asked(rows: Sequence[ComparisonRow]) -> list[_Asked]:
    networks = (row for row in rows if not row.is_peak)
    return [_Asked(row, row.what_decides) for row in networks if row.what_decides is not None]


def _has_several(compared: ComparedFolders) -> bool:
    """Whether a side's processes are those of several runs: neither alone is to have so many more."""
    return any(len(side.directories) > 1 for side in compared.sides)


def _purpose(decided: int, asked: int, compared: ComparedFolders, same_machine: bool) -> str:
    """`decides 3 of 11 inconclusive rows, each on the machine of its run`"""
    of = f"{asked:,}" if decided == asked else f"{decided:,} of {asked:,}"
    rows = f"decides {of} inconclusive {'row' if asked == 1 else 'rows'}"
    where = "" if same_machine else ", each on the machine of its run"
    if any(not_alone(side.summary.figures) for side in compared.sides):
        where += WHEN_ALONE
    return rows + where


def _seconds(commands: Sequence[_Command]) -> float | None:
    seconds = [each.seconds for each in commands if each.seconds is not None]
    return math.fsum(seconds) if len(seconds) == len(commands) else None


def _typed_by_hand(asked: Sequence[_Asked], compared: ComparedFolders) -> str:
    """`BASE: the command of the run again, ...; NEW: convbench run ...` where a folder keeps no plan."""
    known = [each for each in asked if each.what.of == "process" and each.what.more is not None]
    if not known or _has_several(compared):
        return ""
    commands = [_command(known, side) for side in compared.sides]
    return "; ".join(
        f"{name}: {line or again(*each.options)}"
        for name, line, each in zip(("BASE", "NEW"), _typed(commands, compared.sides), commands, strict=True)
    )


def _typed(commands: Sequence[_Command], sides: Sequence[_Side]) -> list[str | None]:
    return [
        resume_command(side.directories[0], *each.options) for each, side in zip(commands, sides, strict=True)
    ]


def _asking(rows: int) -> str:
    return "1 inconclusive row needs" if rows == 1 else f"{rows:,} inconclusive rows need"


def _most(found: Sequence[WhatDecides], one: str, several: str) -> str:
    """`about 3 more processes`, `3 to more than 50 more processes`: the range of what the rows ask for."""
    known = [each.more for each in found if each.more is not None]
    if len(known) < len(found):
        return f"{f'{min(known)} to ' if known else ''}more than {MOST_MORE} more {several}"
    low, high = min(known), max(known)
    return f"about {low if low == high else f'{low} to {high}'} more {one if high == 1 else several}"


class _Command(Struct, frozen=True):
    """The options that continue a run, and about how many seconds it takes."""

    options: tuple[str, str]
    seconds: float | None


def _command(asked: Sequence[_Asked], side: _Side) -> _Command:
    """What brings a side there: `--until` where it can, as it gives processes to
    those cases alone that need them."""
    wanted = max(_n(each.row, side) + (each.what.more or 0) for each in asked)
    widths = [_half_width_then(each, side) for each in asked]
    known = [width for width in widths if width is not None]
    if wanted <= MOST_PROCESSES and len(known) == len(widths):
        until = rounded_down(min(known))
        return _Command(("--until", share(until)), narrowing(side.summary, until).seconds)
    return _Command(("--replicates", str(wanted)), seconds_to(wanted, side.summary))


def _n(row: ComparisonRow, side: _Side) -> int:
    return (row.n_base, row.n_new)[side.at]


def _half_width_then(asked: _Asked, side: _Side) -> float | None:
    """Of the interval of this side's figure with the processes that it asks for; None for what `--until` does
    not look at."""
    row, more = asked.row, asked.what.more
    is_watched = row.phase == whole(row.case) and row.metric in THROUGHPUT_METRICS
    if not is_watched or row.moderated is None or more is None:
        return None
    return half_width(row.moderated[side.at], _n(row, side), more)
