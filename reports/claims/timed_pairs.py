"""Pairs of timed cases: the evidence of claims about speed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from bench.schema.case import Case, Workload
from bench.schema.phases import WHOLE
from bench.stats.verdicts import Verdict, unpaired
from models import catalogue
from reports.analysis.figure_ratios import parts_of
from reports.claims.claim import Judgement, span, word_of
from reports.claims.evidence import Setting
from reports.summary.figures import Figure
from reports.summary.subjects import Figures

WALL = "wall_time"
"""The one clock that every device has."""
NO_GPU = "No CUDA GPU was measured."


class Compared(Struct, frozen=True):
    """One case against another; above 1 the new one is faster than the base."""

    name: str
    verdict: Verdict
    base: Figure
    new: Figure

    @property
    def speed_up(self) -> float:
        return 1 / self.verdict.ratio if self.verdict.ratio else 0.0

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The interval of the speed-up."""
        low, high = self.verdict.low, self.verdict.high
        return (None if high is None else 1 / high), (None if low is None else 1 / low)


def compared(name: str, base: Figures, new: Figures, workload: Workload) -> Compared | None:
    """The wall time of the whole step; None where a side has none."""
    key = (WHOLE[workload], WALL)
    if key not in base or key not in new:
        return None
    one, other = base[key], new[key]
    verdict = unpaired(one.independent, other.independent, moderated=parts_of(one, other))
    return Compared(name, verdict, one, other)


def timed_case(model: str, workload: Workload, batch: int, setting: Setting, device: str) -> Case:
    own = catalogue.defaults(model)
    return Case(
        model=model,
        workload=workload,
        device=device,
        batch=batch,
        image=own.image,
        channels=own.channels,
        classes=own.classes,
        threads=setting.threads,
    )


def judge_largest(
    rows: Sequence[Compared], inside: Sequence[bool | None], unit: str, reason: str
) -> Judgement:
    """By which of the speed-ups lie `inside` what the claim says; the figure is the largest of them."""
    verdict = word_of(inside)
    best = max(rows, key=lambda row: row.speed_up)
    largest = span(best.speed_up, *best.ends, "x", known=verdict != "undecided")
    return Judgement(
        verdict=verdict,
        figure=best.speed_up,
        low=best.ends[0],
        high=best.ends[1],
        unit=unit,
        found=f"at most {largest} as fast",
        need="more processes" if verdict == "undecided" else "",
        reason=reason,
    )
