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
    about,
    again,
    narrowing,
    resume_command,
    rounded_down,
    seconds_to,
    share,
)
from reports.compare.comparison_rows import ComparisonRow, WhatDecides
from reports.summary.contended import not_alone
from reports.summary.figures import THROUGHPUT_METRICS, Summary


class _Side(Struct, frozen=True):
    """BASE (0) or NEW (1), its runs and what they say."""

    at: int
    directories: Sequence[Path]
    summary: Summary


class _Asked(Struct, frozen=True):
    """A row and what would decide it."""

    row: ComparisonRow
    what: WhatDecides


def deciding_in_words(
    rows: Sequence[ComparisonRow],
    sides: tuple[Summary, Summary],
    base: Sequence[Path],
    new: Sequence[Path],
    *,
    same_machine: bool,
) -> Iterator[str]:
    """A sentence each for what asks for processes, for runs and for pairs; none where all is decided."""
    asked = [_Asked(row, row.what_decides) for row in rows if row.what_decides is not None]
    processes = [each for each in asked if each.what.of == "process"]
    both = _Side(0, base, sides[0]), _Side(1, new, sides[1])
    if processes:
        yield _by_processes(processes, both, same_machine)
    for of, how in (
        ("run", "each a run of its own, in a new folder"),
        ("pair", "pairs cannot be added: a new ab with a larger --budget has them"),
    ):
        found = [each.what for each in asked if each.what.of == of]
        if found:
            yield f"{_asking(len(found))} {_most(found, of, f'{of}s')} on each side ({how})."


def _asking(rows: int) -> str:
    return "The inconclusive row asks for" if rows == 1 else f"The {rows:,} inconclusive rows ask for"


def _most(found: Sequence[WhatDecides], one: str, several: str) -> str:
    """`about 3 more processes`, `3 to more than 50 more processes`: the range of what the rows ask for."""
    known = [each.more for each in found if each.more is not None]
    if len(known) < len(found):
        return f"{f'{min(known)} to ' if known else ''}more than {MOST_MORE} more {several}"
    low, high = min(known), max(known)
    return f"about {low if low == high else f'{low} to {high}'} more {one if high == 1 else several}"


def _by_processes(asked: Sequence[_Asked], sides: tuple[_Side, _Side], same_machine: bool) -> str:
    known = [each for each in asked if each.what.more is not None]
    wanted = _most([each.what for each in asked], "process", "processes")
    opening = f"{_asking(len(asked))} {wanted} on each side"
    if not known:
        return f"{opening}: a quieter machine, or interleaved pairs (ab), would show more with less."
    if any(len(side.directories) > 1 for side in sides):
        return f"{opening}."
    commands = [_command(known, side) for side in sides]
    seconds = [each.seconds for each in commands if each.seconds is not None]
    last = f", in {about(math.fsum(seconds))}" if len(seconds) == len(commands) else ""
    what = "it" if len(asked) == 1 else "them" if len(known) == len(asked) else f"{len(known):,} of them"
    where = "" if same_machine else ", each on the machine of its run"
    if any(not_alone(side.summary.figures) for side in sides):
        where += WHEN_ALONE
    return f"{opening}. To decide {what}{last}{where}: {_typed(commands, sides)}"


def _typed(commands: Sequence[_Command], sides: Sequence[_Side]) -> str:
    """`convbench run ... && convbench run ...`, or what to do where a folder keeps no plan."""
    typed = [
        resume_command(side.directories[0], *each.options) for each, side in zip(commands, sides, strict=True)
    ]
    if None not in typed:
        is_failed = any(outcome.status in FAILED for outcome in sides[0].summary.outcomes)
        return ("; " if is_failed else " && ").join(map(str, typed))  # what failed is exit code 1, again
    return "; ".join(
        f"{name}: {line or again(*each.options)}"
        for name, line, each in zip(("BASE", "NEW"), typed, commands, strict=True)
    )


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
