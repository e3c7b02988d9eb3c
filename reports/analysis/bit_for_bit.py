"""Do all units of a kind give the same bits in the same deterministic step? One that does not errs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from bench.schema.case import Case
from bench.schema.step_digest import Part, StepDigest, first_difference
from bench.schema.units import Unit
from reports.summary.digests import Digested

Verdict = Literal["the same", "others", "no majority", "not repeatable", "alone", "none"]
"""What units of a kind gave in one step:

the same        all of them the same bits
others          more than half of them the same bits, at least two units, and some others
no majority     different bits, and nothing says whose are right
not repeatable  half of them or more gave other bits when they made the step again: it is not deterministic
alone           one unit, which nothing can be compared with
none            no unit has a digest
"""
_FEWEST = 2
"""Units that must agree before another one is said to differ."""


class Outlier(Struct, frozen=True):
    """A unit that gave other bits than most of its kind; `part` is the first of the step that differs, None
    where it differs from itself."""

    unit: Unit
    part: Part | None


class ComparedStep(Struct, frozen=True, kw_only=True):
    """One step on all units of one kind.

    units     that have a digest of it
    agree     of them those that gave the bits that most gave
    why_none  why some unit has no digest; empty where all have one
    """

    case: Case
    verdict: Verdict
    units: tuple[Unit, ...]
    agree: int
    outliers: tuple[Outlier, ...] = ()
    why_none: str = ""


def compare(found: Iterable[Digested]) -> tuple[ComparedStep, ...]:
    """Each step of each kind, in the order in which they come; of a unit all digests count."""
    groups: dict[tuple[Case, bytes], dict[Unit, list[StepDigest]]] = {}
    for each in found:
        groups.setdefault((each.case, each.kind), {}).setdefault(each.unit, []).append(each.digest)
    return tuple(_compared(case, of_unit) for (case, _), of_unit in groups.items())


def outliers_by_unit(steps: Sequence[ComparedStep]) -> dict[Unit, list[tuple[ComparedStep, Outlier]]]:
    """The units that gave other bits than most, each with the steps in which it did."""
    found: dict[Unit, list[tuple[ComparedStep, Outlier]]] = {}
    for step in steps:
        for outlier in step.outliers:
            found.setdefault(outlier.unit, []).append((step, outlier))
    return found


def bits_of(steps: Sequence[ComparedStep], unit: Unit) -> Literal["same", "other"] | None:
    """What a unit gave in all steps that a majority decides; None where there is none with this unit."""
    decided = [step for step in steps if step.verdict in ("the same", "others") and unit in step.units]
    if not decided:
        return None
    return "other" if any(unit == each.unit for step in decided for each in step.outliers) else "same"


def _compared(case: Case, of_unit: Mapping[Unit, Sequence[StepDigest]]) -> ComparedStep:
    why_none = next((each.why_none for digests in of_unit.values() for each in digests if each.why_none), "")
    made = {unit: [each for each in digests if not each.why_none] for unit, digests in of_unit.items()}
    made = {unit: digests for unit, digests in made.items() if digests}
    steady = {
        unit: digests[0] for unit, digests in made.items() if len(set(digests)) == 1 and digests[0].repeats
    }
    verdict, agree, outliers = _judged(tuple(made), steady)
    return ComparedStep(
        case=case, verdict=verdict, units=tuple(made), agree=agree, outliers=outliers, why_none=why_none
    )


def _judged(
    units: Sequence[Unit], steady: Mapping[Unit, StepDigest]
) -> tuple[Verdict, int, tuple[Outlier, ...]]:
    """The verdict, how many agree, and who does not; `steady` are the units that repeat their own bits."""
    if not units:
        return "none", 0, ()
    if 2 * len(steady) <= len(units):
        return "not repeatable", 0, ()
    if len(units) == 1:
        return "alone", 1, ()
    usual, agree = Counter(steady.values()).most_common(1)[0]
    if agree < _FEWEST or 2 * agree <= len(units):
        return "no majority", agree, ()
    outliers = tuple(
        Outlier(unit, first_difference(steady[unit], usual) if unit in steady else None)
        for unit in units
        if steady.get(unit) != usual
    )
    return ("others" if outliers else "the same"), agree, outliers
