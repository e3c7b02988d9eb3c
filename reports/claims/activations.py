"""Claims about the activation: how fast a network learns with ReLU, and what is left of its gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from bench.stats.estimates import centre
from bench.stats.verdicts import Verdict, unpaired
from reports.analysis.learned import Learned
from reports.cells import readable
from reports.claims.claim import Claim, ClaimWord, Judgement, Need, lies_within, span, statement
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
"""`about six times` means 4 to 9."""


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
        return _relu_never(tanh, relu, unit)
    if len(tanh.reached) < tanh.seeds or not tanh.reached:
        return _never(tanh, relu, unit)
    found = unpaired(relu.reached, tanh.reached)
    verdict = _six_times(found)
    ratio = span(found.ratio, found.low, found.high, "x", known=verdict != "undecided")
    return Judgement(
        verdict=verdict,
        figure=found.ratio,
        low=found.low,
        high=found.high,
        unit=unit,
        found=f"tanh needs {ratio} the epochs",
        need="more seeds" if verdict == "undecided" else "",
        reason=(
            f"To 75% training accuracy: {centre(tanh.reached):.2f} epochs with tanh and "
            f"{centre(relu.reached):.2f} with ReLU, same recipe. {_how_much(found)} The paper trained a "
            "four-layer network on CIFAR-10, with a learning rate chosen for each activation."
        ),
    )


def _relu_never(tanh: Race, relu: Race, unit: str) -> Judgement:
    """Some seeds with ReLU did not reach it: false only where all with tanh did, and none with ReLU."""
    reached = f"{len(relu.reached)} of {relu.seeds} seeds with ReLU reached 75% training accuracy"
    fails = tanh.seeds > 0 and len(tanh.reached) == tanh.seeds and not relu.reached
    return Judgement(
        verdict="false" if fails else "undecided",
        unit=unit,
        found=f"{len(relu.reached)} of {relu.seeds} seeds with ReLU got to 75%",
        need="" if fails else "longer training",
        reason=f"Only {reached}.",
    )


def _never(tanh: Race, relu: Race, unit: str) -> Judgement:
    """Seeds with tanh that did not reach it: where none did, the epochs bound the ratio from below.

    Where some did, or the run was short, "about six" is undecided.
    """
    reason = (
        f"With tanh only {len(tanh.reached)} of {tanh.seeds} seeds reached 75% training accuracy in "
        f"{tanh.epochs} epochs; with ReLU all did, after {centre(relu.reached):.2f}."
    )
    never = f"{len(tanh.reached)} of {tanh.seeds} seeds with tanh got to 75%"
    if tanh.reached:
        return Judgement(verdict="undecided", unit=unit, found=never, need="longer training", reason=reason)
    least = tanh.epochs / centre(relu.reached)
    many = least >= SAID_RATIO / ABOUT_FACTOR
    return Judgement(
        verdict="true" if many else "undecided",
        figure=least,
        low=least,
        unit=f"{unit}, at least",
        found=f"tanh needs at least {readable(least, 2)}x the epochs" if many else never,
        need="" if many else "longer training",
        reason=reason if many else f"{reason} More epochs would show whether it is six times.",
    )


def _six_times(found: Verdict) -> ClaimWord:
    if found.ratio is None or found.low is None or found.verdict == "inconclusive":
        return "undecided"
    if found.verdict in ("faster", "equivalent"):
        return "false"
    inside = lies_within(found.low, found.high, SAID_RATIO / ABOUT_FACTOR, SAID_RATIO * ABOUT_FACTOR)
    return "undecided" if inside is None else "true" if inside else "false"


OVER_THE_BORDER = (
    "ReLU is faster, but the 99% interval crosses a limit of 'about six' (4 and 9): add seeds with --seeds."
)


def undecided(found: Verdict) -> str:
    """Why an inconclusive ratio is one."""
    return ONE_SEED if found.low is None else TOO_FEW


def _how_much(found: Verdict) -> str:
    word = _six_times(found)
    if word == "true":
        return "That is about six times: the whole 99% interval lies within 4 to 9."
    if word == "undecided":
        return undecided(found) if found.verdict == "inconclusive" else OVER_THE_BORDER
    if found.verdict == "slower":
        return "ReLU is faster, but not about six times (4 to 9), with this network and recipe."
    return "ReLU is not faster here."


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
        return f"The 99% interval includes {VANISHED:g}: more seeds are needed."
    return undecided(found)


def _vanishes(found: Verdict) -> ClaimWord:
    """Ten times less or more is true; not less, or surely less than ten times, is false."""
    if found.low is None or found.high is None:
        return "undecided"
    if found.low > 1:
        inside = lies_within(found.low, found.high, VANISHED, math.inf)
        return "undecided" if inside is None else "true" if inside else "false"
    return "false" if found.high < 1 or found.verdict == "equivalent" else "undecided"


def judge_gradient(sigmoid: Sequence[float], relu: Sequence[float]) -> Judgement:
    """How much more of the last layer's gradient reaches the first with ReLU than with sigmoid."""
    unit = "first / last gradient norm, ReLU over sigmoid"
    if not sigmoid or not relu:
        return _without_figure("not tested", unit, "no gradient was recorded", "a run")
    if min(relu) <= 0:
        return _without_figure("undecided", unit, "with ReLU no gradient reaches the first layer", "a run")
    if min(sigmoid) <= 0:
        return _without_figure("true", unit, "with sigmoid no gradient reaches the first layer", "")
    found = unpaired(sigmoid, relu)
    verdict = _vanishes(found)
    ratio = span(found.ratio, found.low, found.high, "x", known=verdict != "undecided")
    return Judgement(
        verdict=verdict,
        figure=found.ratio,
        low=found.low,
        high=found.high,
        unit=unit,
        found=f"ReLU passes {ratio} the gradient on",
        need="more seeds" if verdict == "undecided" else "",
        reason=(
            f"{MODEL} before its first step, same initial weights: the gradient norm of the first layer's "
            f"weight is {centre(list(relu)):.2g} of the last layer's with ReLU and "
            f"{centre(list(sigmoid)):.2g} with sigmoid, whose slope is at most 1/4, saturated or not. "
            f"'Vanishes' means {VANISHED:g} times smaller or more."
            f"{f' {_open(found)}' if verdict == 'undecided' else ''}"
        ),
    )


def _without_figure(verdict: ClaimWord, unit: str, found: str, need: Need) -> Judgement:
    reason = f"{MODEL}: {found}."
    return Judgement(verdict=verdict, unit=unit, found=found, need=need, reason=reason)


CLAIMS = (
    Claim(
        said=statement("relu-speed"), needs=lambda setting: needs_of(ACTIVATION, setting), judge=_relu_speed
    ),
    Claim(
        said=statement("relu-gradient"), needs=lambda setting: needs_of(GRADIENT, setting), judge=_gradient
    ),
)
