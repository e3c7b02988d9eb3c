"""BASE against NEW: what got faster or slower, by how much, and what could not be seen.

The unit is the process; where both sides have several runs it is the run, with one value for each: runs
made at different times differ by more than their processes can show. Of the two sides of an `ab` run the
pairs are compared: what changed slowly is in both of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.record import FAILED
from bench.stats import verdicts
from models.errors import UserError
from reports.analysis.measured_ceilings import ceilings_of
from reports.analysis.utilisation import reached
from reports.compare.comparison_rows import ComparisonRow, ReplicationUnit
from reports.compare.deciding_command import deciding_in_words
from reports.compare.gpu_differences import gpu_sentence
from reports.compare.joint_prior import same_machine, with_one_prior
from reports.compare.matching import ComparedRun, match
from reports.compare.method_words import method_in_words
from reports.compare.verdict_tables import CAUSE_IN_WORDS, count_of_words, verdict_tables
from reports.document import Document, Table
from reports.sections.machine_tables import fields_by_machine
from reports.summary import caches
from reports.summary.contended import not_alone
from reports.summary.figures import Figure, Summary
from reports.summary.measured_networks import differences
from reports.summary.pooling import summarise
from reports.tables.wording import named, one_line

BASE, NEW = "BASE", "NEW"


class RunComparison(Struct, frozen=True, kw_only=True):
    """The rows, the document that shows them, and the cases of BASE that only failed in NEW."""

    rows: tuple[ComparisonRow, ...]
    document: Document
    broken: tuple[Case, ...] = ()


def build(
    base: Sequence[Path],
    new: Sequence[Path],
    *,
    margin: float = verdicts.MARGIN,
    plain_intervals: bool = False,
) -> RunComparison:
    """Compare the runs in these folders; `margin` is a share (0.02 is 2%).

    With `plain_intervals` the variance of each side is its own: no case lends to another.

    Raises UserError for a side without folders, a folder without readable records, one that stands on both
    sides, times with warm caches beside times with a cold L2, and a margin that is not between 0 and 1.
    """
    _check(base, new, margin)
    sides = _summaries(base, new, plain_intervals)
    unit = _unit(base, new)
    one, other = (
        ComparedRun(name, s.figures, s.outcomes, _bounds(s), s.seconds)
        for name, s in zip((BASE, NEW), sides, strict=True)
    )
    rows = match(one, other, unit, margin)
    return RunComparison(
        rows=rows,
        document=Document(
            title="convbench comparison",
            remarks=(*not_alone(sides[0].figures, BASE), *not_alone(sides[1].figures, NEW)),
            text=tuple(_introduction(rows, sides, base, new, unit, margin)),
            tables=(
                *_environment_table(*sides),
                *verdict_tables(rows, "runs" if unit == "run" else "processes"),
                *_uncompared_table(rows),
                *_failed_table(*sides),
            ),
            rows=tuple(row.as_row() for row in rows),
        ),
        broken=_broken(rows, sides[1]),
    )


def _check(base: Sequence[Path], new: Sequence[Path], margin: float) -> None:
    """UserError for folders and a margin that make no comparison."""
    if not base or not new:
        raise UserError("a comparison needs at least one run folder on each side")
    if not 0 <= margin < 1:
        raise UserError(f"the margin must be from 0% to below 100%, not {margin:.0%}")
    both = {path.resolve() for path in base} & {path.resolve() for path in new}
    if both:
        raise UserError(f"{str(both.pop())!r} stands on both sides: a run has no difference to itself")


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
    if all(len(side) > 1 for side in folders):
        return "run"
    # pair 1 of another `ab` run was measured at another time, whatever its number
    is_one_run = all(len(side) == 1 for side in folders) and len({p.parent for s in folders for p in s}) == 1
    return "pair" if is_one_run else "process"


def _introduction(
    rows: Sequence[ComparisonRow],
    sides: tuple[Summary, Summary],
    base: Sequence[Path],
    new: Sequence[Path],
    unit: ReplicationUnit,
    margin: float,
) -> Iterator[str]:
    yield from differences(sides[0].networks, sides[1].networks, f"{BASE} / {NEW}")
    for name, summary, paths in zip((BASE, NEW), sides, (base, new), strict=True):
        yield f"{name}: {', '.join(map(str, paths))}, {summary.records:,} records of processes."
        yield from summary.notes
    yield from gpu_sentence(*sides)
    if (found := sides[0].caches or sides[1].caches) is not None:
        yield caches.IN_WORDS[found]
    alike = same_machine(*sides)
    asked = deciding_in_words(rows, sides, base, new, same_machine=alike)
    yield " ".join((f"{count_of_words(rows)}.", *asked))
    yield (
        "How to read a row: ratio is NEW / BASE, above 1 is slower or larger, with its 99% interval. "
        f"equivalent: the 90% interval lies within {margin:.1%} of 1 (this is looked at first). "
        "faster, slower: the 99% interval excludes 1. inconclusive: neither, which is not 'no change'. "
        "detectable: the smallest slowdown that would have been seen in 99 of 100 such comparisons."
    )
    yield from method_in_words(rows, alike)
    if any(row.cause for row in rows):
        yield CAUSE_IN_WORDS
    if any(row.is_accuracy for row in rows):
        yield (
            "Accuracies of training runs are compared by their difference, NEW - BASE in points, and their "
            "unit is the seed, whatever it is elsewhere."
        )
    yield from _unit_in_words([row for row in rows if not row.is_accuracy], unit)


def _unit_in_words(rows: Sequence[ComparisonRow], unit: ReplicationUnit) -> Iterator[str]:
    if unit == "run":
        yield (
            "The unit is the run: each gives one value, so what changes between runs is in the intervals. "
            "Each side's variance is its own: how processes differ says nothing of how runs do."
        )
        return
    judged = [row for row in rows if row.low is not None]
    paired = sum(row.paired for row in judged)
    if paired:
        yield (
            f"The runs were interleaved: {paired:,} of {len(judged):,} rows with an interval are judged by "
            "paired log ratios, of the processes of one pair, so that what changed slowly on the machine is "
            "not in the interval. Their variance is their own, and not moderated. Only ab's own report "
            "allows for its looks at the pairs while they came in."
        )
    if not judged or paired < len(judged):
        yield (
            "The unit is the process. Two runs that were made at different times also differ by what changed "
            "between them (temperature, other work, updates), which their processes cannot see: a small "
            "change is shown by interleaved pairs (ab), or by several runs on each side."
        )


def _environment_table(base: Summary, new: Summary) -> Iterator[Table]:
    """Every field in which the sides differ."""
    sides = [list(fields_by_machine(summary).values()) for summary in (base, new)]
    names = dict.fromkeys(name for machines in sides for fields in machines for name in fields)
    cells = {name: tuple(_values(machines, name) for machines in sides) for name in names}
    differing = tuple((name, *values) for name, values in cells.items() if values[0] != values[1])
    yield Table(
        title="Where the environments differ",
        columns=("what", BASE, NEW),
        rows=differing or (("nothing that was recorded", None, None),),
    )


def _values(machines: Sequence[dict[str, str]], name: str) -> str | None:
    """The field on each machine of a side, each value once."""
    found = sorted({fields[name] for fields in machines if name in fields})
    return " / ".join(found) or None


def _uncompared_table(rows: Sequence[ComparisonRow]) -> Iterator[Table]:
    """By reason and case, as one reason often holds for all metrics of a case."""
    reasons: dict[str, dict[Case, list[str]]] = {}
    for row in rows:
        if row.verdict is None and row.reason:
            metrics = reasons.setdefault(row.reason, {}).setdefault(row.case, [])
            metrics.append(f"{row.phase} {row.metric}")
    lines = [
        (reason, case.id, len(metrics), one_line(", ".join(metrics), 100))
        for reason, cases in reasons.items()
        for case, metrics in cases.items()
    ]
    if lines:
        yield Table(
            title="Not compared",
            columns=("reason", "case", "figures", "which"),
            rows=tuple(lines),
            notes=("Only rows that are the same work on both sides are compared.",),
        )


def _failed_table(base: Summary, new: Summary) -> Iterator[Table]:
    groups: dict[tuple[str, str, str], list[Case]] = {}
    for name, summary in ((BASE, base), (NEW, new)):
        for outcome in summary.outcomes:
            groups.setdefault((name, outcome.status, one_line(outcome.reason)), []).append(outcome.case)
    if groups:
        yield Table(
            title="Failures and what was skipped",
            columns=("side", "status", "reason", "cases", "which"),
            rows=tuple((*key, len(cases), named(cases)) for key, cases in groups.items()),
        )
