"""A comparison of several machines: the verdict by nodes, and beside it what each GPU or processor did.

Where both sides hold the same units these are pairs: what a unit is like is in both of its sides. A driver or
a firmware is a node's, so a node is one pair, and the verdict is on the nodes' mean log ratios. Units that
went the other way are seen by their own processes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct, structs

from bench.schema.units import Unit
from bench.stats import verdicts
from bench.stats.estimates import Interval, Moderated, centre
from bench.stats.levels import Levels, OuterLevel, levels
from bench.stats.moderation import with_medians
from bench.stats.verdicts import ONE_PROCESS, Verdict
from reports.summary.figures import Figure
from reports.summary.units_in_common import by_unit, units_in_common, units_of

ONE_MACHINE = "one machine on a side does not show how machines differ"


class UnitChange(Struct, frozen=True, kw_only=True):
    """One unit before and after.

    base, new  the geometric means of its processes
    verdict    by its own processes, corrected for the number of units; `inconclusive` with one on a side
    """

    unit: Unit
    base: float
    new: float
    verdict: Verdict

    @property
    def ratio(self) -> float:
        """NEW / BASE."""
        return self.new / self.base


class AcrossUnits(Struct, frozen=True, kw_only=True):
    """The verdict on figures of which one at least is of several units.

    kind     what was counted
    changes  of each unit that both sides hold; none where the verdict is not by pairs
    against  those that went against the verdict
    unpaired_units    that one side alone holds, where others are paired
    """

    verdict: Verdict
    base: float
    new: float
    base_interval: Interval | None
    new_interval: Interval | None
    kind: OuterLevel
    changes: tuple[UnitChange, ...] = ()
    against: tuple[UnitChange, ...] = ()
    unpaired_units: int = 0


def across_units(figure: Figure, other: Figure, margin: float) -> AcrossUnits | None:
    """None of figures that one unit each measured."""
    sides = figure.levels, other.levels
    kind = next((each.kind for each in sides if each), None)
    if kind is None:
        return None
    pairs = units_in_common(figure, other)
    if pairs is None:
        base, new = (
            each.outer if each else (centre(of.medians),)
            for each, of in zip(sides, (figure, other), strict=True)
        )
        verdict = verdicts.unpaired(base, new, margin)
        reason = ONE_MACHINE if verdict.reason == ONE_PROCESS else verdict.reason
        return AcrossUnits(
            verdict=structs.replace(verdict, reason=reason),
            base=centre(base),
            new=centre(new),
            base_interval=figure.interval,
            new_interval=other.interval,
            kind=kind,
        )
    ids = set(pairs.units)
    base_levels, new_levels = (_of_units(each, ids) for each in (figure, other))
    verdict = verdicts.paired(pairs.log_ratios, margin)
    changes = _changes(figure, other, pairs.units, margin)
    return AcrossUnits(
        verdict=verdict,
        base=base_levels.value,
        new=new_levels.value,
        base_interval=base_levels.interval(),
        new_interval=new_levels.interval(),
        kind=pairs.kind,
        changes=changes,
        against=against(verdict, changes),
        unpaired_units=len((units_of(figure).keys() | units_of(other).keys()) - ids),
    )


def against(verdict: Verdict, changes: Sequence[UnitChange]) -> tuple[UnitChange, ...]:
    """The units that clearly changed the other way; where the verdict is `equivalent`, all that changed."""
    if verdict.ratio is None:
        return ()
    word = "faster" if verdict.ratio < 1 else "slower"
    with_it = () if verdict.verdict == "equivalent" else (word,)
    return tuple(
        each
        for each in changes
        if each.verdict.verdict in ("faster", "slower") and each.verdict.verdict not in with_it
    )


def _of_units(figure: Figure, ids: Collection[str]) -> Levels:
    """The levels of these units alone, two or more."""
    own = [
        (median, unit) for median, unit in zip(figure.medians, figure.units, strict=True) if unit.id in ids
    ]
    found = levels(
        [median for median, _ in own], [unit.id for _, unit in own], [unit.machine for _, unit in own]
    )
    assert found is not None
    return found


def _changes(figure: Figure, other: Figure, ids: Sequence[str], margin: float) -> tuple[UnitChange, ...]:
    before, after, units = by_unit(figure), by_unit(other), units_of(other)
    found = [
        UnitChange(
            unit=units[each],
            base=centre(before[each]),
            new=centre(after[each]),
            verdict=verdicts.unpaired(
                before[each], after[each], margin, _moderated(figure, other, before[each], after[each])
            ),
        )
        for each in ids
    ]
    tested = [each.verdict.p for each in found if each.verdict.p is not None]
    certain = iter(verdicts.holm(tested))
    return tuple(each if each.verdict.p is None or next(certain) else _undecided(each) for each in found)


def _moderated(
    figure: Figure, other: Figure, before: Sequence[float], after: Sequence[float]
) -> tuple[Moderated, Moderated] | None:
    """Of one unit's processes, by what those of its kind show."""
    one, two = figure.of_processes, other.of_processes
    if one is None or two is None or min(len(before), len(after)) < 2:
        return None
    return with_medians(one, before), with_medians(two, after)


def _undecided(change: UnitChange) -> UnitChange:
    """A unit whose change does not stand out of so many."""
    if change.verdict.verdict == "equivalent":
        return change
    return structs.replace(change, verdict=structs.replace(change.verdict, verdict="inconclusive"))
