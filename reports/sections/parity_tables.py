"""Whether a precision or an engine learns as well as fp32 or eager does: differences of accuracy, judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from bench.stats.accuracy_verdicts import ALL_EQUAL, PARITY_MARGIN, Difference, difference
from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.document import Cell, Table
from reports.sections.accuracy_tables import NOT_SHOWN
from reports.tables.case_columns import Layout, Line, table
from reports.tables.wording import ONE_SEED_NOTE, WITHIN, mean_percent

BASES = {"precision": "fp32", "engine": "eager"}
"""By axis: what its other values are judged by."""
COLUMNS = (
    "against",
    "its accuracy (%)",
    "accuracy (%)",
    "difference (points)",
    "verdict",
    "detectable (points)",
    "seeds",
    "compared",
    "reason",
)
RULE = (
    f"equivalent: the 90% interval of the difference lies within ±{100 * PARITY_MARGIN:g} point (this is "
    "looked at first). higher, lower: the 99% interval, which is printed, excludes 0. inconclusive: neither, "
    "which is not 'no difference'. diverged: seeds have no accuracy, and the others' mean would flatter. "
    "detectable: the smallest difference that would have been seen in 99 of 100 such comparisons."
)
PAIRED_NOTE = (
    "by seed: both have the same seeds, that is the same first weights and the same images in the same order."
)


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
                    if _same_machine(base, new):
                        yield Parity(axis=axis, base=base, new=new, difference=_judge(axis, base, new))


def parity_table(runs: Sequence[Learned], layout: Layout) -> Iterator[Table]:
    """A row for each comparison that these cases allow."""
    found = list(parities(runs))
    if found:
        paired = any(parity.difference.paired for parity in found)
        lines = [Line(subject=parity.new.subject, cells=_cells(parity)) for parity in found]
        single = any(WITHIN in str(cell) for line in lines for cell in line.cells[1:3])
        yield table(
            "Parity",
            COLUMNS,
            lines,
            layout,
            without=NOT_SHOWN,
            always=("dataset", "recipe", *BASES),
            notes=[RULE, *([PAIRED_NOTE] if paired else []), *([ONE_SEED_NOTE] if single else [])],
        )


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


def _cells(parity: Parity) -> tuple[Cell, ...]:
    found = parity.difference
    return (
        BASES[parity.axis],
        mean_percent(parity.base.figures.get(ACCURACY_KEY)),
        mean_percent(parity.new.figures.get(ACCURACY_KEY)),
        points_text(found.difference, found.low, found.high),
        found.verdict,
        None if found.detectable is None else points(found.detectable),
        found.n_new if found.n_base == found.n_new else f"{found.n_base} / {found.n_new}",
        None if found.low is None else "by seed" if found.paired else "means",
        found.reason,
    )


def points(share: float) -> str:
    """`0.43`: a difference of shares in points."""
    return f"{100 * share:.2f}"


def points_text(found: float | None, low: float | None, high: float | None) -> str | None:
    """`-0.31 (-0.80 to +0.18)`: a difference of shares in points, with its interval if there is one."""
    if found is None:
        return None
    text = _signed(found)
    return text if low is None or high is None else f"{text} ({_signed(low)} to {_signed(high)})"


def _signed(share: float) -> str:
    return "0.00" if abs(share) < ALL_EQUAL else f"{100 * share:+.2f}"
