"""The command that a trend leads to: which commit made the step, or how the runs around it differ."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from bench.archive.case_series import BOUNDARIES, CaseSeries
from bench.archive.names import short_id
from reports.document import NextStep
from reports.over_time.series_names import case_axes
from reports.over_time.told_groups import Group, Told, span
from reports.tables.archive_command import typed

_AXES = ("model", "workload", "batch", "device", "precision", "engine", "layout", "threads")
"""In the order of `case_axes`. A case with further ones is not named by these options."""
_USUAL = {"workload": "inference", "batch": "1", "precision": "fp32", "engine": "eager", "layout": "nchw"}


def next_step(archive: Path, groups: Sequence[Group]) -> NextStep | None:
    """About the most urgent change; None where there is none."""
    if not groups:
        return None
    largest = groups[0].largest
    runs = largest.shown.series.runs
    first, last = span(largest.shown.changes, largest.change)
    if largest.shown.series.origin:
        command = typed(archive, "archive", "show", short_id(runs[last].digest))
        return NextStep(command=command, purpose="shows the first run after the latest change")
    bisect = _bisect(largest)
    if bisect is not None:
        return NextStep(command=bisect, purpose="finds the commit that made it slower", has_dry_run=True)
    ends = (first, last) if largest.change.what == "drift" else (max(first - 1, 0), last)
    before, after = (f"@{short_id(runs[at].digest)}" for at in ends)
    command = typed(archive, "compare", before, after)
    return NextStep(command=command, purpose=f"compares the runs around {_which(largest)}")


def _which(told: Told) -> str:
    return "the latest change toward slower" if told.change.is_slower else "the latest change"


def _bisect(told: Told) -> str | None:
    """Of a step to slower at which only the commit may be to blame."""
    differing = {each.name: each for each in told.change.differences}
    commit = differing.get("commit")
    axes = _options(told.shown.series)
    if told.change.what != "step" or not told.change.is_slower or commit is None or axes is None:
        return None
    ends = (commit.before, commit.after)
    if not all(map(_is_commit, ends)) or differing.keys() & {*BOUNDARIES}:
        return None
    return shlex.join(["convbench", "bisect", *map(str, ends), *axes])


def _is_commit(text: str | None) -> bool:
    """Whether it can be checked out: not with `-dirty` behind it, nor `abc / def` of two machines, nor what
    only a record calls a commit, since a reader is to run the command."""
    return bool(text) and set(text or "") <= set("0123456789abcdef")


def _options(series: CaseSeries) -> list[str] | None:
    axes = case_axes(series)
    if len(axes) != len(_AXES):
        return None
    named = dict(zip(_AXES, axes, strict=True))
    named |= {"batch": named["batch"][1:], "threads": named["threads"][1:]}
    return [word for axis, text in named.items() if _USUAL.get(axis) != text for word in (f"--{axis}", text)]
