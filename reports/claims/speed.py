"""Claims about speed, settled by cases that are timed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench import ablations
from bench.case import TIMED, Case, Workload
from bench.stats import mean
from bench.verdicts import Verdict, holm, paired, unpaired
from models import catalogue
from models.blocks import KERNELS, STAGES, block_name
from models.cost import cost
from models.kernels import predicted_ratio
from reports.claims.claim import Claim, Judgement, Word, replicated, statement
from reports.claims.evidence import Evidence, Setting
from reports.figures import Figure
from reports.latency import WHOLE, Figures

NAMED = 8
WALL = "wall_time"
"""The one clock that every device has."""
NO_GPU = "This machine has no CUDA GPU."


class Compared(Struct, frozen=True):
    """One case against another: how many times longer the base takes, above 1 where the new one is faster."""

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
    return Compared(name, unpaired(base[key].medians, new[key].medians), base[key], new[key])


class Sides(Struct, frozen=True):
    """Which way several comparisons went, made at once: in one of a hundred such sets a word is false."""

    faster: tuple[str, ...]
    not_faster: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def word(self) -> Word:
        """Whether "it is faster" holds; what is undecided counts for neither side."""
        if self.faster and self.not_faster:
            return "depends"
        if self.faster:
            return "holds"
        return "does not hold" if self.not_faster else "not testable here"


def sides(rows: Sequence[Compared]) -> Sides:
    """Faster, or slower or equivalent, or neither shown."""
    # a row in which nothing varies has no test: it is as its verdict says
    certain = holm([0.0 if row.verdict.p is None else row.verdict.p for row in rows])
    words: dict[str, list[str]] = {"faster": [], "not": [], "open": []}
    for row, sure in zip(rows, certain, strict=True):
        word = row.verdict.verdict
        if word == "equivalent" or (word == "slower" and sure):
            words["not"].append(row.name)
        else:
            words["faster" if word == "faster" and sure else "open"].append(row.name)
    return Sides(tuple(words["faster"]), tuple(words["not"]), tuple(words["open"]))


def overall(rows: Sequence[Compared]) -> Verdict:
    """The geometric mean of the speed-ups over the rows, its interval over the processes.

    A process's own mean is over its number in every row, so that what slowed a round is on both sides.
    """
    shared = set.intersection(*({*_numbered(f)} for row in rows for f in (row.base, row.new)))
    return paired(
        [
            mean([math.log(_numbered(row.base)[key] / _numbered(row.new)[key]) for row in rows])
            for key in sorted(shared)
        ]
    )


def _numbered(figure: Figure) -> dict[tuple[int, int], float]:
    """By run and number of the process: its median."""
    return dict(zip(zip(figure.runs, figure.replicates, strict=True), figure.medians, strict=True))


# --- stacks of small filters -------------------------------------------------------------------------------

BLOCK_KERNELS = tuple(kernel for kernel in KERNELS if kernel.side in (5, 7))
BLOCK_WORKLOAD: Workload = "training"


def _blocks(setting: Setting) -> dict[str, tuple[Case, Case]]:
    """By name of the comparison: one layer, and its stack with the ReLU between; cases of the ablation."""
    gpu = setting.device == "cuda"
    [ablation] = ablations.find("kernels", ablations.sizes(gpu=gpu), level="block")
    given = {"device": (setting.device,), "engine": ("eager",)}
    cases = ablations.timed_cases([ablation], given, setting.threads)
    by_sizes = {(case.model, structs.replace(case, model="")): case for case in cases}
    found = {}
    for stage, kernel in itertools.product(STAGES, BLOCK_KERNELS):
        for single in cases:
            if single.model != block_name(stage.channels, kernel.single) or single.image != _side(
                stage.image, gpu
            ):
                continue
            stack = by_sizes[block_name(stage.channels, kernel.activated), structs.replace(single, model="")]
            precision = f" {single.precision}" if gpu else ""
            found[f"{kernel.single} in {stage.name} at batch {single.batch}{precision}"] = (single, stack)
    return found


def _predicted() -> str:
    """`5x5 should gain 1.39 and 7x7 1.81`"""
    gains = (
        f"{kernel.single} should gain {float(1 / predicted_ratio(kernel.side, 1, 1)):.2f}"
        for kernel in BLOCK_KERNELS
    )
    return " and ".join(gains)


def _named(names: Sequence[str]) -> str:
    """In brackets, and not more than a reader can take in."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f" ({', '.join(names[:NAMED])}{more})" if names else ""


def _side(image: int, gpu: bool) -> int:
    return -(-image // ablations.sizes(gpu=gpu).shrink)


def _stacks(evidence: Evidence) -> Judgement:
    pairs = _blocks(evidence.setting)
    times = evidence.times(case for pair in pairs.values() for case in pair)
    rows = [
        row
        for name, (single, stack) in pairs.items()
        if single in times and stack in times
        if (row := compared(name, times[single], times[stack], BLOCK_WORKLOAD))
    ]
    return judge_stacks(rows, evidence.setting.device, len(pairs))


def judge_stacks(rows: Sequence[Compared], device: str, planned: int) -> Judgement:
    """Whether stacks run faster "on GPUs": of a processor the figures are shown, and settle nothing."""
    if not rows:
        return Judgement(verdict="not testable here", reason="No layer and its stack were both timed.")
    went, figure = sides(rows), overall(rows)
    where = (
        f"A training step (forward, backward to the input, update) of one layer and of its stack of 3x3 with "
        f"ReLU between, in {len(rows)} of {planned} pairs of stage, kernel and batch: the stack is faster in "
        f"{len(went.faster)}, slower or no different in {len(went.not_faster)}"
        + _named(went.not_faster)
        + f", undecided in {len(went.undecided)}. By their weights {_predicted()}. "
        "The figure is the geometric mean over the pairs."
    )
    verdict = went.word
    if device != "cuda":
        settled = f"On this processor it {'is undecided' if verdict == 'not testable here' else verdict}"
        where = f"{NO_GPU} {settled}, which says nothing of GPUs. {where}"
        verdict = "not testable here"
    return Judgement(
        verdict=verdict,
        figure=figure.ratio,
        low=figure.low,
        high=figure.high,
        unit="time of one layer / of its stack",
        reason=where,
    )


# --- GPU against CPU ---------------------------------------------------------------------------------------

SAID_SPEED_UP = 1000
WITHIN_FACTOR = 2
"""`about 1000` is from 500 to 2000."""
SHARED_BATCHES = {"alexnet": (1, 8, 128), "vgg16": (1, 8)}
"""What a processor does in seconds."""


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


def _both_devices(setting: Setting) -> dict[str, tuple[Case, Case]]:
    """By name: the same work in fp32 on the processor and on the GPU; nothing without one."""
    if setting.device != "cuda":
        return {}
    found = {}
    for model, batches in SHARED_BATCHES.items():
        for workload, batch in itertools.product(TIMED, batches):
            cpu, gpu = (timed_case(model, workload, batch, setting, device) for device in ("cpu", "cuda"))
            found[f"{workload} of {model} at batch {batch}"] = (cpu, gpu)
    return found


def _gpu_speed_up(evidence: Evidence) -> Judgement:
    pairs = _both_devices(evidence.setting)
    times = evidence.times(case for pair in pairs.values() for case in pair)
    rows = [
        row
        for name, (cpu, gpu) in pairs.items()
        if cpu in times and gpu in times
        if (row := compared(name, times[cpu], times[gpu], cpu.workload))
    ]
    return judge_gpu(rows, evidence.setting)


def judge_gpu(rows: Sequence[Compared], setting: Setting) -> Judgement:
    """Whether the GPU is about 1000 times as fast: in every row, in some or in none."""
    if not rows:
        why = "The records have one side only." if setting.device == "cuda" else NO_GPU
        missing = f"{why} It needs the same work on a CUDA GPU and on the processor beside it."
        return Judgement(verdict="not testable here", reason=missing)
    low, high = SAID_SPEED_UP / WITHIN_FACTOR, SAID_SPEED_UP * WITHIN_FACTOR
    holding = [row for row in rows if low <= row.speed_up <= high]
    best = max(rows, key=lambda row: row.speed_up)
    verdict: Word = "holds" if len(holding) == len(rows) else "depends" if holding else "does not hold"
    listed = "; ".join(f"{row.name}: {row.speed_up:,.3g}" for row in rows)
    on = (
        f" It depends on the work and the batch: so much only in {len(holding)} of {len(rows)}."
        if (verdict == "depends")
        else ""
    )
    return Judgement(
        verdict=verdict,
        figure=best.speed_up,
        low=best.ends[0],
        high=best.ends[1],
        unit="times faster, at most",
        reason=(
            f"Wall time of the same work in fp32 on the processor, with {setting.threads} threads, over that on the GPU: {listed}."
            f"{on} The figure is the largest of them; 'about 1000' is taken as {low:g} to {high:,g}. It was "
            "said of the processors of 2012, often of a single core."
        ),
    )


# --- VGG against AlexNet -----------------------------------------------------------------------------------

FAR_MORE = 2.0
"""`far more expensive` is at least twice."""
VGG_BATCH = {"cpu": 4, "cuda": 64}


def _vgg_cases(setting: Setting) -> dict[Workload, tuple[Case, Case]]:
    """By workload: AlexNet and VGG-16."""
    batch = VGG_BATCH[setting.device]
    return {
        workload: (
            timed_case("alexnet", workload, batch, setting, setting.device),
            timed_case("vgg16", workload, batch, setting, setting.device),
        )
        for workload in TIMED
    }


def _vgg_cost(evidence: Evidence) -> Judgement:
    pairs = _vgg_cases(evidence.setting)
    times = evidence.times(case for pair in pairs.values() for case in pair)
    rows = {
        workload: row
        for workload, (small, large) in pairs.items()
        if small in times and large in times
        if (row := compared(workload, times[large], times[small], workload))
    }
    return judge_vgg(rows, VGG_BATCH[evidence.setting.device], evidence.setting.device)


def judge_vgg(rows: dict[Workload, Compared], batch: int, device: str) -> Judgement:
    """Whether VGG-16 takes at least twice as long as AlexNet, in training and in inference."""
    if len(rows) < len(TIMED):
        return Judgement(verdict="not testable here", reason="A time of VGG-16 or of AlexNet is missing.")
    words = {_at_least_twice(*row.ends) for row in rows.values()}
    verdict: Word = words.pop() if len(words) == 1 else "depends"
    step, forward = rows["training"], rows["inference"]
    large, small = (cost(catalogue.MODELS[model]) for model in ("vgg16", "alexnet"))
    return Judgement(
        verdict=verdict,
        figure=step.speed_up,
        low=step.ends[0],
        high=step.ends[1],
        unit="time of VGG-16 / of AlexNet, training step",
        reason=(
            f"At batch {batch} in fp32 on {device} a training step takes {step.speed_up:.1f} times as long "
            f"and a forward pass {forward.speed_up:.1f} times, for {large.macs / small.macs:.1f} times the "
            f"arithmetic and {large.parameters / small.parameters:.1f} times the parameters. AlexNet is "
            f"torchvision's single tower; 'far more' is taken as {FAR_MORE:g} times or more, with "
            "the whole interval."
        ),
    )


def _at_least_twice(low: float | None, high: float | None) -> Word:
    if low is None or high is None:
        return "not testable here"
    if low >= FAR_MORE:
        return "holds"
    return "does not hold" if high < FAR_MORE else "not testable here"


CLAIMS = (
    Claim(
        said=statement("factorise-speed"),
        needs=lambda setting: replicated(
            [case for pair in _blocks(setting).values() for case in pair], setting.replicates
        ),
        judge=_stacks,
        partial=True,
    ),
    Claim(
        said=statement("gpu-speedup"),
        needs=lambda setting: replicated(
            [case for pair in _both_devices(setting).values() for case in pair], setting.replicates
        ),
        judge=_gpu_speed_up,
        partial=True,
    ),
    Claim(
        said=statement("vgg-cost"),
        needs=lambda setting: replicated(
            [case for pair in _vgg_cases(setting).values() for case in pair], setting.replicates
        ),
        judge=_vgg_cost,
    ),
)
