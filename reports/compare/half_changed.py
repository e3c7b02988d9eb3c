"""A side that was measured during an upgrade: some of its machines are as the other side has them.

Verdicts are then on the machines that changed. Those that did not are the control: what moved their times is
not what was upgraded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from bench.schema.plurals import how_many
from bench.schema.record import Environment
from bench.schema.replicate_conditions import kind_of
from bench.schema.units import unit_of
from reports.compare.changes import takes
from reports.compare.comparison_rows import ComparisonRow, ReplicationUnit
from reports.compare.matching import ComparedRun, match
from reports.compare.row_names import row_names
from reports.compare.row_words import is_step_time
from reports.compare.verdict_sentences import CHANGED, MOST_NAMED
from reports.summary.figures import Figure, Summary
from reports.summary.units_in_common import units_of

_Kinds = frozenset[bytes]
"""Of machine, encoded: that of all environments of a figure."""


class JudgedSides(Struct, frozen=True, kw_only=True):
    """Both sides, one perhaps without its control.

    sides    BASE and NEW; one of them without the figures of the control
    shown    the same, and neither with the machines of the control
    control  those figures; none where no side is half changed
    is_base  whether they are of BASE
    """

    sides: tuple[Summary, Summary]
    shown: tuple[Summary, Summary]
    control: tuple[Figure, ...] = ()
    is_base: bool = False


def judged_sides(base: Summary, new: Summary) -> JudgedSides:
    """Without the machines of a half-changed side that are as before."""
    for mixed, other in ((new, base), (base, new)):
        control = tuple(_control(mixed, other))
        if control:
            rest, is_base = _without(mixed, control), mixed is base
            seen = _without_machines(other, _units(control))
            return JudgedSides(
                sides=(rest, other) if is_base else (other, rest),
                shown=(rest, seen) if is_base else (seen, rest),
                control=control,
                is_base=is_base,
            )
    return JudgedSides(sides=(base, new), shown=(base, new))


def _control(mixed: Summary, other: Summary) -> Iterator[Figure]:
    """Of each case that two kinds of machine measured on one side the figures of the kind that measured it on
    the other. No machine is of both kinds, and some of the other kind are on both sides."""
    theirs = _by_kind(other)
    for case, own in _by_kind(mixed).items():
        kinds = theirs.get(case, {})
        if len(own) != 2 or len(kinds) != 1 or not kinds.keys() < own.keys():
            continue
        (same,) = kinds
        (changed,) = own.keys() - kinds.keys()
        units = [_units(figures) for figures in (own[same], own[changed], kinds[same])]
        if units[0].isdisjoint(units[1]) and not units[1].isdisjoint(units[2]):
            yield from own[same]


def _by_kind(summary: Summary) -> Mapping[Case, Mapping[_Kinds, list[Figure]]]:
    found: defaultdict[Case, defaultdict[_Kinds, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    for figure in summary.figures:
        uses_gpu = devices.traits(figure.case.device).uses_gpu
        environments = (summary.environments[label] for label in figure.machine)
        kinds = frozenset(_encoded(kind_of(each, uses_gpu=uses_gpu)) for each in environments)
        found[figure.case][kinds].append(figure)
    return found


def _encoded(environment: Environment) -> bytes:
    return msgspec.json.encode(environment, order="deterministic")


def _units(figures: Sequence[Figure]) -> set[str]:
    return {unit for figure in figures for unit in units_of(figure)}


def _without(summary: Summary, control: Sequence[Figure]) -> Summary:
    """Also without the machines that nothing else was measured on."""
    left_out = {id(figure) for figure in control}
    figures = tuple(figure for figure in summary.figures if id(figure) not in left_out)
    gone = {label for figure in control for label in figure.machine}
    gone -= {label for figure in figures for label in figure.machine}
    environments = {label: each for label, each in summary.environments.items() if label not in gone}
    return structs.replace(summary, figures=figures, environments=environments)


def _without_machines(summary: Summary, units: Collection[str]) -> Summary:
    environments = {
        label: each
        for label, each in summary.environments.items()
        if unit_of(each, uses_gpu=each.gpu is not None).id not in units
    }
    return structs.replace(summary, environments=environments)


def control_rows(
    found: JudgedSides, base: ComparedRun, new: ComparedRun, unit: ReplicationUnit, margin: float
) -> Sequence[ComparisonRow]:
    """The rows of the machines that did not change."""
    cases = {figure.case for figure in found.control}
    kept = [tuple(each for each in side.figures if each.case in cases) for side in (base, new)]
    kept[0 if found.is_base else 1] = found.control
    return match(ComparedRun(base.name, kept[0], ()), ComparedRun(new.name, kept[1], ()), unit, margin)


def half_in_words(found: JudgedSides, control: Sequence[ComparisonRow]) -> Iterator[str]:
    """Which machines were compared, and whether those that did not change held still; `control` has a row
    for each of its figures. Nothing where no side is half changed."""
    if not found.control:
        return
    side, other = ("BASE", "NEW") if found.is_base else ("NEW", "BASE")
    machines = {unit.machine for figure in found.control for unit in figure.units}
    many = how_many(len(machines), "machine")
    yield f"{many} of {side} did not change from {other}: the control. Verdicts are on the others."
    timed = [row for row in control if row.verdict is not None and row.unit == "s"]
    rows = [row for row in timed if is_step_time(row)] or timed
    moved = [row for row in rows if row.verdict in CHANGED and row.ratio is not None]
    if not moved:
        counts = Counter(str(row.verdict) for row in rows)
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.most_common())
        yield f"Times of the control: {told or 'none on both sides'}."
        return
    names = row_names(row.case for row in moved)
    moved.sort(key=lambda row: -abs((row.ratio or 1) - 1))
    listed = "; ".join(f"{names[row.case]} {takes(row, 'time')}" for row in moved[:MOST_NAMED])
    yield f"The control changed too, in {len(moved):,} of {how_many(len(rows), 'time')}: {listed}."
