"""One metric of one case on both sides of a comparison, or on one: what tables, gates and programs read."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bench.schema.case import Caches, Case
from bench.schema.case_warnings import Label
from bench.stats import accuracy_verdicts, verdicts
from bench.stats.clock_cause import CLOCK_FIELDS, Cause
from bench.stats.estimates import Interval, Moderated
from bench.stats.levels import OuterLevel
from reports.cells import Scalar
from reports.compare.unit_changes import UnitChange
from reports.summary.figures import ACCURACY, Figure, ReadBack, case_row, place

COMPARED_UNITS = ("s", "bytes", "J")
"""Costs: less is better. They scatter, so they get verdicts."""
EXACT_METRICS = ("parameters", "flops", "bytes_moved", "graph_breaks", "casts")
"""Counts, which do not scatter: they are equal or different."""

ComparisonWord = verdicts.TimeWord | accuracy_verdicts.AccuracyWord | Literal["equal", "different"]
ReplicationUnit = Literal["process", "run", "pair"]
"""`pair`: of the two sides of one `ab` run; a row whose processes have no pairs has processes."""

_ROW_FIELDS = (
    *("phase", "metric", "base", "new", "ratio", "low", "high", "verdict", "detectable", "n_base", "n_new"),
    *("unit", "p", "level", "reason", "tags", "paired", "difference", "diverged_base", "diverged_new"),
    *CLOCK_FIELDS,
    *("caches", "method", "error", "freedom"),
)


class WhatDecides(Struct, frozen=True, kw_only=True):
    """What an inconclusive row asks for.

    more      about how many more on each side, of processes, pairs or runs; None: more than can be told, or,
              where there is no `target`, not known
    of        what they are
    target    the change that they make detectable, as a share: that which was seen, at least the margin
    seconds   that they take on both sides together; None where the records do not say
    """

    more: int | None
    of: ReplicationUnit
    target: float | None = None
    seconds: float | None = None


class ComparisonRow(Struct, frozen=True, kw_only=True):
    """One metric in one phase of one case, on both sides or on one.

    phase        or the layer or product in it (`reports.summary.figures.place`)
    base, new    the sides' figures, in `unit`; None where a side has none
    verdict      None where the row was not compared, and `reason` says why not
    ratio, low, high, detectable, p, level    as in `bench.stats.verdicts.Verdict`
    n_base, n_new    processes, or runs where these are the unit
    base_interval, new_interval    those of the two figures, each alone; None where there is none
    tags         the labels of warnings on either side, as programs read them; `labels` are the same
    paired       whether the verdict is that of log ratios of interleaved pairs, or of equal seeds
    difference   of an accuracy, which has no ratio: low, high and detectable are then differences of shares
                 as in `bench.stats.accuracy_verdicts.Difference`, and n_base, n_new are seeds
    diverged_base, diverged_new    seeds without an accuracy
    cause, cycles, ...    of a time, as in `bench.stats.clock_cause.InCycles`: whether it differs by the GPU's
                 clock or by the code, and the clocks of both sides
    caches       what the timed steps of both sides found; None for what is no latency
    method, error, freedom    of the interval, as in `bench.stats.verdicts.Verdict`
    own_sd       standard deviations of the logs of the processes (or runs) of BASE and of NEW
    moderated    the variances of BASE and of NEW, where the verdict is by moderated ones
    what_decides of an inconclusive row
    across       what n_base and n_new count, where a side is of several machines or GPUs
    changes      of each unit that both sides hold, where these are paired
    against      those of them that went against the verdict
    unpaired_units    that one side alone holds
    """

    case: Case
    phase: str
    metric: str
    unit: str
    effective: ReadBack = ReadBack()
    base: float | None = None
    new: float | None = None
    base_interval: Interval | None = None
    new_interval: Interval | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: ComparisonWord | None = None
    detectable: float | None = None
    n_base: int = 0
    n_new: int = 0
    p: float | None = None
    level: float | None = None
    reason: str | None = None
    tags: str | None = None
    labels: tuple[Label, ...] = ()
    paired: bool = False
    difference: float | None = None
    diverged_base: int = 0
    diverged_new: int = 0
    cause: Cause | None = None
    cycles: float | None = None
    cycles_verdict: verdicts.TimeWord | None = None
    base_sm_clock: float | None = None
    new_sm_clock: float | None = None
    base_memory_clock: float | None = None
    new_memory_clock: float | None = None
    base_power_cap: float | None = None
    new_power_cap: float | None = None
    caches: Caches | None = None
    method: verdicts.VerdictMethod | None = None
    error: float | None = None
    freedom: float | None = None
    own_sd: tuple[float, float] | None = None
    moderated: tuple[Moderated, Moderated] | None = None
    what_decides: WhatDecides | None = None
    across: OuterLevel | None = None
    changes: tuple[UnitChange, ...] = ()
    against: tuple[UnitChange, ...] = ()
    unpaired_units: int = 0

    @property
    def is_accuracy(self) -> bool:
        """Whether more is better and the difference is what counts."""
        return self.metric == ACCURACY

    @property
    def is_peak(self) -> bool:
        """Whether it is of what the machine can do, and of no network."""
        return self.case.workload == "ceiling"

    def as_row(self) -> dict[str, Scalar]:
        """The flat row that programs read; the first fields are promised, the rest follow them."""
        fields: dict[str, Scalar] = {name: getattr(self, name) for name in _ROW_FIELDS}
        own = fields | self._parts() | decides_fields(self.what_decides)
        return case_row(self.case, own | (self._units() if self.across else {}))

    def _units(self) -> dict[str, Scalar]:
        return {
            "across": self.across,
            "units": len(self.changes),
            "against": ", ".join(each.unit.id for each in self.against),
        }

    def _parts(self) -> dict[str, Scalar]:
        """The two variances, so that a reader can make the interval again; `prior_freedom` counts once."""
        base, new = self.moderated or (None, None)
        own = self.own_sd or (None, None)
        return {
            "prior_freedom": min(base.prior_freedom, new.prior_freedom) if base and new else None,
            **_of_side("base", own[0], base),
            **_of_side("new", own[1], new),
        }


def decides_fields(found: WhatDecides | None) -> dict[str, Scalar]:
    """What a row asks for, as programs read it; all None for a row that is decided."""
    return {
        "more_of": found.of if found else None,
        "more_processes": found.more if found and found.of != "run" else None,
        "more_seconds": found.seconds if found else None,
        "more_target": found.target if found else None,
    }


class ComparedSides(Struct, frozen=True, kw_only=True):
    """All that two sides say: the rows, and the cases of BASE that only failed in NEW."""

    rows: tuple[ComparisonRow, ...]
    broken: tuple[Case, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing could be compared; of runs of networks, whether no network could."""
        networks = [row for row in self.rows if not row.is_peak]
        return all(row.verdict is None for row in networks or self.rows)


def _of_side(side: str, own_sd: float | None, parts: Moderated | None) -> dict[str, Scalar]:
    return {
        f"own_sd_{side}": own_sd,
        f"prior_sd_{side}": parts.prior_sd if parts else None,
        f"prior_freedom_{side}": parts.prior_freedom if parts else None,
        f"floor_sd_{side}": parts.floor_sd if parts else None,
        f"cases_{side}": parts.cases if parts else None,
    }


def one_sided(base: Figure | None, new: Figure | None, reason: str) -> ComparisonRow:
    """A row that was not compared, and why; one figure at least."""
    figure = base or new
    assert figure is not None
    return ComparisonRow(
        case=figure.case,
        phase=place(figure),
        metric=figure.metric,
        unit=figure.unit,
        effective=figure.effective,
        base=base.median if base else None,
        new=new.median if new else None,
        base_interval=base.interval if base else None,
        new_interval=new.interval if new else None,
        n_base=len(base.medians) if base else 0,
        n_new=len(new.medians) if new else 0,
        reason=reason,
        caches=figure.caches,
    )
