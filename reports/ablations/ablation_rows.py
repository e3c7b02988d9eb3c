"""Ablations as flat rows for programs: one for each metric of each form, unrounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.schema.case import Case, Workload
from bench.stats.estimates import Interval, Ratio
from reports.ablations.form_pairs import SAVED, TimedPair, TrainedPair, ratio
from reports.ablations.network_tables import gap
from reports.ablations.phase_work import case_work
from reports.ablations.predictions import KernelRates, predicted, why_text
from reports.analysis.learned import ACCURACY_KEY
from reports.cells import Scalar
from reports.summary.figures import Figure, case_row

_TIMES: tuple[tuple[Workload, str], ...] = (
    ("inference", "forward"),
    ("training", "forward"),
    ("training", "backward"),
    ("training", "optimizer"),
    ("training", "step"),
)


def rows_of(
    ablation: str, sides: TimedPair, peers: Mapping[Case, KernelRates]
) -> Iterator[dict[str, Scalar]]:
    """Times and sizes of a form and its base; `predicted` is the ratio of the FLOPs of a phase."""
    closed = (case_work(sides.base.case), case_work(sides.new.case))
    counts = (("parameters", [each.parameters for each in closed]),)
    for metric, (base, new) in counts:
        yield _row(ablation, sides, sides.new.case, metric, base, new, new / base, None)
    base_bytes, new_bytes = (each.activation_bytes for each in closed)
    yield _row(
        ablation, sides, sides.new.case, "activations", base_bytes, new_bytes, new_bytes / base_bytes, None
    )
    for workload, phase in _TIMES:
        found = sides.times(phase, workload)
        if found:
            row = _measured(ablation, sides, f"{workload} {phase}", found)
            row["predicted"] = predicted(sides, phase)
            row["why"] = why_text(sides, peers) if phase == "step" else None
            yield row
    for metric, pair in (("saved activations", sides.both("training", SAVED)), ("peak memory", sides.peaks)):
        if pair:
            yield _measured(ablation, sides, metric, pair)


def trained_rows(ablation: str, trained_pair: TrainedPair) -> Iterator[dict[str, Scalar]]:
    """Accuracy of a form and its base: `ratio` is empty, `difference` in shares."""
    found = trained_pair.difference
    base, new = (run.figures.get(ACCURACY_KEY) for run in (trained_pair.base, trained_pair.new))
    row = _row(
        ablation,
        trained_pair,
        trained_pair.new.subject.case,
        "test accuracy",
        base.median if base else None,
        new.median if new else None,
        None,
        Interval(found.low, found.high, "across-processes", found.level)
        if found.low is not None and found.high is not None
        else None,
    )
    yield row | {
        "difference": found.difference,
        "verdict": found.verdict,
        "reason": found.reason,
        "base_gap": gap(trained_pair.base),
        "new_gap": gap(trained_pair.new),
        "base_processes": found.n_base,
        "new_processes": found.n_new,
    }


def _measured(
    ablation: str, sides: TimedPair, metric: str, found: tuple[Figure, Figure]
) -> dict[str, Scalar]:
    base, new = found
    of: Ratio = ratio(base, new)
    row = _row(ablation, sides, new.case, metric, base.median, new.median, of.value, of.interval)
    return row | {
        "unit": base.unit,
        "base_processes": len(base.medians),
        "new_processes": len(new.medians),
    }


def _row(
    ablation: str,
    of: TimedPair | TrainedPair,
    case: Case,
    metric: str,
    base: float | None,
    new: float | None,
    ratio_: float | None,
    interval: Interval | None,
) -> dict[str, Scalar]:
    comparison = of.comparison
    return case_row(
        case,
        {
            "ablation": ablation,
            "comparison_level": comparison.level,
            "topic": comparison.topic or None,
            "subject": comparison.subject,
            "base_form": comparison.base.label,
            "form": of.form.label,
            "base_model": comparison.base.model,
            "metric": metric,
            "base": base,
            "new": new,
            "ratio": ratio_,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
            "interval": interval.kind if interval else None,
        },
    )
