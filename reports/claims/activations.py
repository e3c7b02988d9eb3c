"""Claims about the activation: how fast a network learns with ReLU, and what is left of its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench.stats.estimates import centre
from bench.stats.verdicts import Verdict, unpaired
from reports.analysis.learned import Learned
from reports.claims.claim import Claim, ClaimWord, Judgement, lies_within, statement
from reports.claims.evidence import Evidence
from reports.claims.trained_pairs import (
    MODEL,
    OF_TWO_MACHINES,
    ONE_SEED,
    TOO_FEW,
    Pair,
    accuracies,
    learned_of,
    needs_of,
    rates,
    trained_on,
)
from reports.summary.seeds import by_seed

ACTIVATION = Pair("activation", "tanh", "relu")
GRADIENT = Pair("activation", "sigmoid", "relu")

TARGET_ACCURACY = 0.75
"""Krizhevsky et al. 2012, figure 1: to 25% training error."""
SAID_RATIO = 6.0
ABOUT_FACTOR = 1.5
"""`about six times` is from 4 to 9."""


def epochs_to(accuracies: Sequence[float], target: float, classes: int) -> float | None:
    """Epochs until the training accuracy reached the target, or None.

    The accuracy of an epoch is the mean over its steps, and so belongs to its middle; before the first step
    it is that of guessing. Between them it is interpolated.
    """
    before, at = 1 / classes, 0.0
    for number, accuracy in enumerate(accuracies):
        middle = number + 0.5
        if accuracy >= target:
            return at + (middle - at) * (target - before) / (accuracy - before) if before < target else at
        before, at = accuracy, middle
    return None


class Race(Struct, frozen=True, kw_only=True):
    """Epochs to the target of each seed that reached it, and of how many seeds, in how many epochs."""

    reached: tuple[float, ...]
    seeds: int
    epochs: int


def race_of(run: Learned) -> Race:
    curve = run.curves.get("train_accuracy")
    found = (
        [epochs_to(each, TARGET_ACCURACY, run.subject.case.classes) for each in curve.samples]
        if curve
        else []
    )
    return Race(
        reached=tuple(each for each in found if each is not None),
        seeds=len(run.ended | run.diverged),
        epochs=run.task.recipe.epochs,
    )


def _relu_speed(evidence: Evidence) -> Judgement:
    both = learned_of(ACTIVATION, evidence)
    if both is None:
        return OF_TWO_MACHINES
    tanh, relu = both
    judgement = judge_race(race_of(tanh), race_of(relu))
    words = f"{MODEL} {trained_on(*both)}. {judgement.reason} {rates(tanh, relu, ('tanh', 'ReLU'))}"
    return structs.replace(judgement, reason=words.strip())


def judge_race(tanh: Race, relu: Race) -> Judgement:
    """Epochs to 75% training accuracy, tanh over ReLU, and whether that is about six."""
    unit = "epochs with tanh / with ReLU"
    if len(relu.reached) < relu.seeds or not relu.reached:
        reached = f"{len(relu.reached)} of {relu.seeds} seeds with ReLU reached 75% training accuracy"
        fails = tanh.seeds > 0 and len(tanh.reached) == tanh.seeds
        verdict: ClaimWord = "does not hold" if fails and not relu.reached else "not testable here"
        return Judgement(verdict=verdict, unit=unit, reason=f"Only {reached}.")
    if len(tanh.reached) < tanh.seeds or not tanh.reached:
        return _never(tanh, relu, unit)
    found = unpaired(relu.reached, tanh.reached)
    return Judgement(
        verdict=_six_times(found),
        figure=found.ratio,
        low=found.low,
        high=found.high,
        unit=unit,
        reason=(
            f"To 75% training accuracy it takes {centre(tanh.reached):.2f} epochs with tanh and "
            f"{centre(relu.reached):.2f} with ReLU, by the same recipe. {_how_much(found)} Six was said of a "
            "network of four layers on CIFAR-10, each with a learning rate of its own."
        ),
    )


def _never(tanh: Race, relu: Race, unit: str) -> Judgement:
    """Seeds with tanh that did not reach it: where none did, the ratio is at least what the epochs say.

    Where some did, or the run was short, nothing is known of "about six".
    """
    reason = (
        f"With tanh only {len(tanh.reached)} of {tanh.seeds} seeds reached 75% training accuracy in "
        f"{tanh.epochs} epochs; with ReLU all did, after {centre(relu.reached):.2f}."
    )
    if tanh.reached:
        return Judgement(verdict="not testable here", unit=unit, reason=reason)
    least = tanh.epochs / centre(relu.reached)
    many = least >= SAID_RATIO / ABOUT_FACTOR
    return Judgement(
        verdict="holds" if many else "not testable here",
        figure=least,
        low=least,
        unit=f"{unit}, at least",
        reason=reason if many else f"{reason} More epochs would tell whether it is six times.",
    )


def _six_times(found: Verdict) -> ClaimWord:
    if found.ratio is None or found.low is None or found.verdict == "inconclusive":
        return "not testable here"
    if found.verdict in ("faster", "equivalent"):
        return "does not hold"
    inside = lies_within(found.low, found.high, SAID_RATIO / ABOUT_FACTOR, SAID_RATIO * ABOUT_FACTOR)
    return "not testable here" if inside is None else "holds" if inside else "does not hold"


OVER_THE_BORDER = "ReLU is faster, but the 99% interval reaches over the border of 4 to 9: --seeds adds runs."


def undecided(found: Verdict) -> str:
    """Why an inconclusive ratio is one."""
    return ONE_SEED if found.low is None else TOO_FEW


def _how_much(found: Verdict) -> str:
    return {
        "holds": "That is about six times: the whole 99% interval is within 4 to 9.",
        "does not hold": (
            "ReLU is faster, but not about six times (4 to 9), with this network and recipe."
            if found.verdict == "slower"
            else "ReLU is not faster here."
        ),
        "not testable here": undecided(found) if found.verdict == "inconclusive" else OVER_THE_BORDER,
        "published": "",
    }[_six_times(found)]


VANISHED = 10.0
"""The first layer's gradient, against the last's, must be so many times smaller with sigmoid."""


def shares_of(run: Learned) -> dict[int, float]:
    """Seed -> norm of the first weight's gradient over that of the last's, before anything was learned."""
    first, last = run.figure("gradient_norm_first"), run.figure("gradient_norm_last")
    if first is None or last is None:
        return {}
    firsts, lasts = (by_seed(each.case, each.replicates, each.medians) for each in (first, last))
    return {seed: norm / lasts[seed] for seed, norm in firsts.items() if lasts.get(seed)}


def _gradient(evidence: Evidence) -> Judgement:
    both = learned_of(GRADIENT, evidence)
    if both is None:
        return OF_TWO_MACHINES
    sigmoid, relu = (shares_of(run) for run in both)
    judgement = judge_gradient(list(sigmoid.values()), list(relu.values()))
    shown = accuracies(*both, ("sigmoid", "ReLU"))
    return structs.replace(judgement, reason=f"{judgement.reason} {shown}")


def _open(found: Verdict) -> str:
    if found.low is not None and found.low > 1:
        return f"The 99% interval reaches over {VANISHED:g}: the seeds are too few to tell."
    return undecided(found)


def judge_gradient(sigmoid: Sequence[float], relu: Sequence[float]) -> Judgement:
    """How much more of the last layer's gradient reaches the first with ReLU than with sigmoid."""
    unit = "first / last gradient norm, ReLU over sigmoid"
    if not sigmoid or not relu or min(relu) <= 0:
        reason = "No gradient was recorded, or none arrives with ReLU."
        return Judgement(verdict="not testable here", unit=unit, reason=reason)
    if min(sigmoid) <= 0:
        reason = (
            f"{MODEL}: with sigmoid nothing of the gradient arrives at the first layer; with ReLU it does."
        )
        return Judgement(verdict="holds", unit=unit, reason=reason)
    found = unpaired(sigmoid, relu)
    verdict: ClaimWord = "not testable here"
    if found.low is not None and found.high is not None:
        if found.low > 1:
            inside = lies_within(found.low, found.high, VANISHED, math.inf)
            verdict = "not testable here" if inside is None else "holds" if inside else "does not hold"
        elif found.high < 1 or found.verdict == "equivalent":
            verdict = "does not hold"
    return Judgement(
        verdict=verdict,
        figure=found.ratio,
        low=found.low,
        high=found.high,
        unit=unit,
        reason=(
            f"{MODEL} before its first step: the norm of the loss's gradient by the first layer's weight is "
            f"{centre(list(relu)):.2g} of that by the last's with ReLU, and {centre(list(sigmoid)):.2g} with "
            f"sigmoid, from the same first weights; a sigmoid's slope is 1/4 at most, saturated or not. "
            f"'Vanishes' is taken as {VANISHED:g} times less or more."
            f"{f' {_open(found)}' if verdict == 'not testable here' else ''}"
        ),
    )


CLAIMS = (
    Claim(
        said=statement("relu-speed"), needs=lambda setting: needs_of(ACTIVATION, setting), judge=_relu_speed
    ),
    Claim(
        said=statement("relu-gradient"), needs=lambda setting: needs_of(GRADIENT, setting), judge=_gradient
    ),
)
