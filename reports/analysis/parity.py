"""Whether training runs that differ in precision or engine alone learn the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.stats.accuracy_verdicts import Difference, difference
from reports.analysis.learned import Learned
from reports.summary.measured_networks import is_same_network

BASES = {"precision": "fp32", "engine": "eager"}
"""By axis: what its other values are judged by."""


class Parity(Struct, frozen=True, kw_only=True):
    """One case against the one that differs from it in nothing but `axis`."""

    axis: str
    base: Learned
    new: Learned
    difference: Difference


def parities(runs: Sequence[Learned]) -> Iterator[Parity]:
    """Every case whose precision is not fp32 against fp32, and whose engine is not eager against eager."""
    judged = [run for run in runs if run.is_judged]
    by_case: dict[object, list[Learned]] = {}
    for run in judged:
        by_case.setdefault(run.subject.case, []).append(run)
    for new in judged:
        case = new.subject.case
        for axis, base_value in BASES.items():
            if getattr(case, axis) != base_value:
                for base in by_case.get(structs.replace(case, **{axis: base_value}), []):
                    if _same_machine(base, new) and is_same_network(base.subject, new.subject):
                        yield Parity(axis=axis, base=base, new=new, difference=_judge(axis, base, new))


def _same_machine(base: Learned, new: Learned) -> bool:
    """Where every seed diverged no machine is known."""
    one, other = set(base.subject.machine), set(new.subject.machine)
    return not one or not other or bool(one & other)


def _judge(axis: str, base: Learned, new: Learned) -> Difference:
    return difference(
        base.accuracies,
        new.accuracies,
        classes=new.subject.case.classes,
        diverged=(len(base.diverged), len(new.diverged)),
        names=(getattr(base.subject.case, axis), getattr(new.subject.case, axis)),
    )
