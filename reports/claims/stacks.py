"""The claim that stacks of small filters run faster: one layer against its stack, stage by stage."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench import devices
from bench.plan import ablations
from bench.plan.ablations import Sizes, sizes, timed_cases
from bench.schema.case import Case, Workload
from bench.stats.estimates import mean
from bench.stats.verdicts import Verdict, holm, paired
from models.blocks import KERNELS, STAGES, block_name
from models.kernel_stacks import predicted_ratio
from reports.claims.claim import Claim, ClaimWord, Judgement, Need, replicated, span, statement
from reports.claims.evidence import Evidence, Setting
from reports.claims.timed_pairs import NO_GPU, Compared, compared
from reports.summary.figures import Figure
from reports.tables.listing import and_more

NAMED = 8
"""As many pairs as a reader can take in."""


class Tally(Struct, frozen=True):
    """Which way several comparisons went, corrected for being made at once: in one of a hundred such sets a
    word is false."""

    faster: tuple[str, ...]
    not_faster: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def word(self) -> ClaimWord:
        """Whether "it is faster" is true; undecided comparisons count for neither side, up to half of all."""
        decided = len(self.faster) + len(self.not_faster)
        if self.faster and self.not_faster:
            return "depends"
        if len(self.undecided) > decided:
            return "undecided"
        if self.faster:
            return "true"
        return "false" if self.not_faster else "undecided"


def tally(rows: Sequence[Compared]) -> Tally:
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
    return Tally(tuple(words["faster"]), tuple(words["not"]), tuple(words["open"]))


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


BLOCK_KERNELS = tuple(kernel for kernel in KERNELS if kernel.side in (5, 7))
BLOCK_WORKLOAD: Workload = "training"


def _blocks(setting: Setting) -> dict[str, tuple[Case, Case]]:
    """By name of the comparison: one layer, and its stack with the ReLU between; cases of the ablation."""
    at = sizes(devices.traits(setting.device).scale)
    [ablation] = ablations.find("kernels", at, level="block")
    given = {"device": (setting.device,), "engine": ("eager",)}
    cases = timed_cases([ablation], given, setting.threads)
    by_sizes = {(case.model, structs.replace(case, model="")): case for case in cases}
    found = {}
    for stage, kernel in itertools.product(STAGES, BLOCK_KERNELS):
        for single in cases:
            if single.model != block_name(stage.channels, kernel.single) or single.image != _side(
                stage.image, at
            ):
                continue
            stack = by_sizes[block_name(stage.channels, kernel.activated), structs.replace(single, model="")]
            precision = f" {single.precision}" if len({case.precision for case in cases}) > 1 else ""
            found[f"{kernel.single} in {stage.name} at batch {single.batch}{precision}"] = (single, stack)
    return found


def _predicted() -> str:
    """`1.39x for 5x5 and 1.81x for 7x7`"""
    gains = (
        f"{float(1 / predicted_ratio(kernel.side, 1, 1)):.2f}x for {kernel.single}"
        for kernel in BLOCK_KERNELS
    )
    return " and ".join(gains)


def _named(names: Sequence[str]) -> str:
    """In brackets, and not more than a reader can take in."""
    return f" ({and_more(names, NAMED)})" if names else ""


def _side(image: int, at: Sizes) -> int:
    return -(-image // at.shrink)


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
    """Whether stacks run faster "on GPUs": a CPU's figures are shown but do not decide it."""
    if not rows:
        found = "no layer and its stack were both timed"
        return Judgement(verdict="not tested", found=found, need="a run", reason=f"{found.capitalize()}.")
    went, figure = tally(rows), overall(rows)
    where = (
        f"One training step (forward, backward to the input, update) of one layer against its stack of 3x3 "
        f"with ReLU, {len(rows)} of {planned} pairs of stage, kernel and batch size: the stack is faster in "
        f"{len(went.faster)}, slower or equivalent in {len(went.not_faster)}"
        + _named(went.not_faster)
        + f", undecided in {len(went.undecided)}. Predicted from the weights: {_predicted()}. "
        "The figure is the geometric mean of the pairs. If most pairs are undecided, so is the claim."
    )
    ratio = span(figure.ratio, figure.low, figure.high, "x", known=went.word != "undecided")
    found = f"stacks are {ratio} as fast"
    if devices.traits(device).is_host:
        where = (
            f"{NO_GPU} On this CPU the claim is {_on_cpu(went.word)}, which says nothing about GPUs. {where}"
        )
        return _judgement("not tested", figure, f"needs a CUDA GPU; this CPU: {ratio}", "a GPU", where)
    need: Need = "more processes" if went.word == "undecided" else ""
    return _judgement(went.word, figure, found, need, where)


def _on_cpu(word: ClaimWord) -> str:
    return "neither true nor false but depends on the stage" if word == "depends" else word


def _judgement(verdict: ClaimWord, of: Verdict, found: str, need: Need, reason: str) -> Judgement:
    return Judgement(
        verdict=verdict,
        figure=of.ratio,
        low=of.low,
        high=of.high,
        unit="time of one layer / of its stack",
        found=found,
        need=need,
        reason=reason,
    )


CLAIMS = (
    Claim(
        said=statement("factorise-speed"),
        needs=lambda setting: replicated(
            [case for pair in _blocks(setting).values() for case in pair], setting.replicates
        ),
        judge=_stacks,
        partial=True,
    ),
)
