"""What the ratio of two forms should be, from FLOPs and the rates of their kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from msgspec import Struct, structs

from bench import devices
from bench.schema.case import Case
from models.arch import Conv
from models.blocks import block, is_block
from reports.ablations.explanation import Reason, TimedSide, reason_in_words, why
from reports.ablations.form_pairs import TIME, TimedPair
from reports.ablations.phase_work import case_work
from reports.summary.figures import Figure


class KernelRates(Struct, frozen=True, kw_only=True):
    """What blocks reached in the same run under the same conditions, in their steps.

    rates      the highest FLOP/s by the side of the largest kernel
    bandwidth  the highest byte/s
    """

    rates: Mapping[int, float]
    bandwidth: float

    def others_rate(self, case: Case) -> float | None:
        """The best of all other kernels; None where there are none, and for what is no block."""
        if not is_block(case.model):
            return None
        own = kernel_side(case.model)
        return max((rate for side, rate in self.rates.items() if side != own), default=None)


@cache
def kernel_side(model: str) -> int:
    """The side of a block's largest kernel."""
    return max(layer.kernel for layer in block(model).layers if isinstance(layer, Conv))


def kernel_rates_of(figures: Iterable[Figure]) -> dict[Case, KernelRates]:
    """By `conditions` of a case: the best of all blocks that were timed under them."""
    rates: dict[Case, dict[int, float]] = {}
    bandwidths: dict[Case, float] = {}
    for figure in figures:
        case = figure.case
        if (figure.phase, figure.metric) == ("step", TIME) and is_block(case.model) and figure.median > 0:
            step, key, side = case_work(case).work["step"], conditions(case), kernel_side(case.model)
            of_kernel = rates.setdefault(key, {})
            of_kernel[side] = max(of_kernel.get(side, 0.0), step.flops / figure.median)
            bandwidths[key] = max(bandwidths.get(key, 0.0), step.bytes / figure.median)
    return {key: KernelRates(rates=found, bandwidth=bandwidths[key]) for key, found in rates.items()}


def conditions(case: Case) -> Case:
    """What must be equal for two rates to be compared: device, precision, engine, layout and threads."""
    return structs.replace(
        case, model="", workload="training", batch=0, image=0, channels=0, classes=0, seed=0, task=None
    )


def reason(sides: TimedPair, peers: Mapping[Case, KernelRates]) -> Reason | None:
    """Why the step's ratio is not the predicted one; None where no step was timed on both sides."""
    found, ratio = sides.times("step"), sides.ratio("step")
    if found is None or ratio is None:
        return None
    known = peers.get(conditions(sides.new.case))
    names = (sides.comparison.base.label, sides.form.label)
    base, new = (_side(name, figure, known) for name, figure in zip(names, found, strict=True))
    return why(
        base,
        new,
        ratio.interval,
        best_bandwidth=known.bandwidth if known else None,
        tensor_cores=devices.traits(sides.new.case.device).tensor_cores
        and sides.new.case.precision != "fp32",
    )


def why_text(sides: TimedPair, peers: Mapping[Case, KernelRates]) -> str | None:
    """The same in words."""
    found = reason(sides, peers)
    return reason_in_words(found) if found else None


def _side(name: str, step: Figure, peers: KernelRates | None) -> TimedSide:
    work = case_work(step.case).work["step"]
    return TimedSide(
        name=name,
        seconds=step.median,
        flops=work.flops,
        bytes=work.bytes,
        is_launch_bound="launch-bound" in step.tags,
        others_rate=peers.others_rate(step.case) if peers else None,
    )


def predicted(sides: TimedPair, phase: str = "step") -> float | None:
    """new / base of the FLOPs of a phase; None for a phase without."""
    base, new = (case_work(subject.case).work.get(phase) for subject in (sides.base, sides.new))
    return new.flops / base.flops if base and new and base.flops else None
