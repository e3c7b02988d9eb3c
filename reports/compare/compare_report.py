"""BASE against NEW: what got faster or slower, by how much, and what could not be seen.

The unit is the process; where both sides have several runs it is the run, with one value for each: runs
made at different times differ by more than their processes can show. Of the two sides of an `ab` run the
pairs are compared: what changed slowly is in both of a pair. Of several machines these are counted, and
paired where both sides hold the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.run_folders import located
from bench.schema.case import Case
from bench.schema.record import FAILED
from bench.stats import verdicts
from bench.stats.verdicts import FailOn
from models.errors import UserError
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.utilisation import reached
from reports.compare.compare_answer import Circumstances, answer, short_title
from reports.compare.comparison_rows import ComparedSides, ComparisonRow, ReplicationUnit
from reports.compare.deciding_command import ComparedFolders, deciding_step
from reports.compare.environment_differences import (
    Differences,
    cpu_sentence,
    environment_differences,
    environment_in_words,
    environment_table,
)
from reports.compare.gate import GateResult, gate_result
from reports.compare.gpu_differences import gpu_sentence
from reports.compare.half_changed import control_rows, half_in_words, judged_sides
from reports.compare.how_compared import how_compared
from reports.compare.joint_prior import same_machine, with_one_prior
from reports.compare.left_out_tables import failed_table, uncompared_table
from reports.compare.matching import ComparedRun, have_a_case_in_common, match
from reports.compare.nearest_mismatch import nearest_mismatch
from reports.compare.paired_machines import unit_tables
from reports.compare.verdict_tables import verdict_tables
from reports.document import Document, Origin
from reports.sections.origin import origin_of
from reports.summary import caches
from reports.summary.contended import neither_alone
from reports.summary.figures import Figure, Summary
from reports.summary.measured_networks import differences
from reports.summary.pooling import summarise
from reports.summary.record_stream import runs_of

BASE, NEW = "BASE", "NEW"


class RunComparison(ComparedSides, frozen=True, kw_only=True):
    """What two sides say, the document that shows it, and the result of the gate that was asked for."""

    document: Document
    gate: GateResult | None = None


def build(
    base: Sequence[Path],
    new: Sequence[Path],
    *,
    margin: float = verdicts.MARGIN,
    plain_intervals: bool = False,
    fail_on: FailOn | None = None,
    show_all: bool = False,
) -> RunComparison:
    """Compare the runs in these folders; `margin` is a share (0.02 is 2%).

    With `plain_intervals` the variance of each side is its own: no case lends to another. With `show_all` the
    tables have equivalent and identical rows too.

    Raises UserError for a side without folders, a folder without readable records, one that stands on both
    sides, times with warm caches beside times with a cold L2, and a margin that is not between 0 and 1.
    """
    _check(base, new, margin)
    judged, unit = judged_sides(*_summaries(base, new, plain_intervals)), _unit(base, new)
    folders = ComparedFolders(base=base, new=new, summaries=judged.sides)
    one, other = (_compared_run(*side) for side in zip((BASE, NEW), judged.sides, strict=True))
    rows = match(one, other, unit, margin)
    compared = ComparedSides(rows=rows, broken=_broken(rows, judged.sides[1]))
    gate = gate_result(compared, fail_on) if fail_on else None
    differing = environment_differences(*judged.shown)
    known = Circumstances(
        sides=(_named(base), _named(new)),
        environment=environment_in_words(differing, *judged.shown),
        alarms=tuple(_alarms(judged.shown, differing)),
        margin=margin,
        unit=unit,
        mismatch=None if have_a_case_in_common(one, other) else nearest_mismatch(one.cases, other.cases),
        gate=gate,
        next_step=deciding_step(rows, folders, same_machine=same_machine(*judged.sides)),
        full="" if compared.is_empty else full_command(base, new),
        show_all=show_all,
        control=tuple(half_in_words(judged, control_rows(judged, one, other, unit, margin))),
    )
    document = _document(compared, folders, known, differing)
    return RunComparison(rows=rows, broken=compared.broken, document=document, gate=gate)


def _compared_run(name: str, side: Summary) -> ComparedRun:
    return ComparedRun(name, side.figures, side.outcomes, _bounds(side), side.seconds)


def _document(
    compared: ComparedSides, folders: ComparedFolders, known: Circumstances, differing: Differences
) -> Document:
    rows, sides = compared.rows, folders.summaries
    return Document(
        title=short_title(compared),
        answer=answer(compared, known),
        remarks=tuple(_not_alone(sides)),
        text=tuple(how_compared(rows, folders, known.unit, known.margin, same_machine=same_machine(*sides))),
        tables=(
            *verdict_tables(rows, _counted(rows, known.unit), show_all=known.show_all),
            *unit_tables(rows),
            *uncompared_table(rows, known.mismatch),
            *failed_table(*sides),
            *environment_table(differing),
        ),
        rows=tuple(row.as_row() for row in rows),
        origin=_of_both(*(origin_of(side) or Origin() for side in sides)),
    )


def _counted(rows: Sequence[ComparisonRow], unit: ReplicationUnit) -> str:
    """The column of how many there are on each side."""
    across = {row.across for row in rows if row.verdict is not None and not row.is_accuracy} - {None}
    if across:
        return "machines" if "across-machines" in across else "GPUs"
    return "runs" if unit == "run" else "processes"


def _of_both(base: Origin, new: Origin) -> Origin:
    """From the first process of either side to the last."""
    started = [each.started_at for each in (base, new) if each.started_at is not None]
    finished = [each.finished_at for each in (base, new) if each.finished_at is not None]
    return Origin(
        commands=(*base.commands, *new.commands),
        started_at=min(started, default=None),
        finished_at=max(finished, default=None),
        machines=tuple(dict.fromkeys((*base.machines, *new.machines))),
        versions=tuple(dict.fromkeys((*base.versions, *new.versions))),
        commits=tuple(dict.fromkeys((*base.commits, *new.commits))),
    )


def _alarms(sides: tuple[Summary, Summary], differing: Differences) -> Iterator[str]:
    base, new = sides
    yield from _not_alone(sides)
    yield from differences(base.networks, new.networks, f"{BASE} / {NEW}")
    yield from gpu_sentence(base, new)
    yield from cpu_sentence(differing)


def _not_alone(sides: tuple[Summary, Summary]) -> Iterator[str]:
    base, new = sides
    yield from neither_alone(base.figures, new.figures, (BASE, NEW))


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


def full_command(base: Sequence[Path], new: Sequence[Path]) -> str:
    """The command that shows all parts of this comparison."""
    if len(base) == len(new) == 1:
        sides = [str(base[0]), str(new[0])]
    else:
        named = [("--base", path) for path in base] + [("--new", path) for path in new]
        sides = [word for name, path in named for word in (name, str(path))]
    return shlex.join(["convbench", "compare", *sides, "--full"])


def _check(base: Sequence[Path], new: Sequence[Path], margin: float) -> None:
    """UserError for folders and a margin that make no comparison."""
    if not base or not new:
        raise UserError("a comparison needs at least one run folder on each side")
    if not 0 <= margin < 1:
        raise UserError(f"the margin must be from 0% to below 100%, got {margin:.0%}")
    before = {located(path).resolve() for path in base}
    both = [path for path in new if located(path).resolve() in before]
    if both:
        raise UserError(f"BASE and NEW are the same run, {str(both[0])!r}. Give two different folders")


def _broken(rows: Sequence[ComparisonRow], new: Summary) -> tuple[Case, ...]:
    """The cases of BASE that only failed in NEW, in the order of the rows."""
    measured = {row.case for row in rows if row.base is not None and row.new is None}
    failed = {outcome.case for outcome in new.outcomes if outcome.status in FAILED}
    alive = {figure.case for figure in new.figures}
    broken = measured & failed - alive
    return tuple(case for case in dict.fromkeys(row.case for row in rows) if case in broken)


def _bounds(summary: Summary) -> dict[Figure, str]:
    """What holds each time back, of those of which the run's ceilings say so."""
    found = reached(summary.figures, ceilings_of(summary))
    return {each.time: each.bound.label for each in found if each.bound}


def _summaries(base: Sequence[Path], new: Sequence[Path], plain_intervals: bool) -> tuple[Summary, Summary]:
    """Both sides; UserError where their caches differ."""
    one, other = (summarise(side, plain_intervals) for side in (base, new))
    if one.caches and other.caches and one.caches != other.caches:
        raise caches.refusal((one.caches, BASE), (other.caches, NEW))
    return (one, other) if plain_intervals else with_one_prior(one, other)


def _unit(base: Sequence[Path], new: Sequence[Path]) -> ReplicationUnit:
    folders = [{path.resolve() for path in side} for side in (base, new)]
    if all(sum(map(runs_of, side)) > 1 for side in folders):
        return "run"
    # pair 1 of another `ab` run was measured at another time, whatever its number
    is_one_run = all(len(side) == 1 for side in folders) and len({p.parent for s in folders for p in s}) == 1
    return "pair" if is_one_run else "process"
