"""Claims about learning, settled by training runs over seeds, which are those of the ablations."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from bench.stats.accuracy_verdicts import NOTHING_LEARNED, PARITY_MARGIN, difference, is_at_chance
from bench.stats.estimates import mean
from reports.analysis.learned import Learned
from reports.claims.claim import Claim, ClaimWord, Judgement, statement
from reports.claims.evidence import Evidence
from reports.claims.trained_pairs import (
    KERNELS,
    OF_TWO_MACHINES,
    Pair,
    accuracies,
    compared,
    judge_difference,
    learned_of,
    needs_of,
    rates,
    trained_on,
)
from reports.summary.seeds import by_seed

# --- the cases ---------------------------------------------------------------------------------------------


DROPOUT = Pair("dropout", "0", "0.5")
POOLING = Pair("pooling", "2x2", "overlapping")
NORM = Pair("norm", "lrn", "bn")
AUGMENTATION = Pair("augmentation", "off", "crop")


# --- differences of shares ---------------------------------------------------------------------------------


def _higher(
    pair: Pair, names: tuple[str, str], words: str, margin: float = PARITY_MARGIN
) -> Callable[[Evidence], Judgement]:
    """A judge of "the new form is more accurate", by `margin` or more where it is denied."""

    def judge(evidence: Evidence) -> Judgement:
        both = learned_of(pair, evidence)
        if both is None:
            return OF_TWO_MACHINES
        text = f"{accuracies(*both, names)} {words}"
        found = compared(*both, margin)
        return judge_difference(found, "higher", "points of test accuracy", text, margin)

    return judge


# --- dropout -----------------------------------------------------------------------------------------------


def gaps_of(run: Learned) -> dict[int, float]:
    """Seed -> train accuracy less test accuracy, both by the last weights in eval mode."""
    train = run.figure("final_train_accuracy")
    if train is None:
        return {}
    found = by_seed(train.case, train.replicates, train.medians)
    return {seed: found[seed] - test for seed, test in run.accuracies.items() if seed in found}


def _dropout(evidence: Evidence) -> Judgement:
    both = learned_of(DROPOUT, evidence)
    if both is None:
        return OF_TWO_MACHINES
    without, with_ = gaps_of(both[0]), gaps_of(both[1])
    if not without or not with_:
        return Judgement(verdict="not testable here", reason="No train accuracy was measured in the end.")
    every = [share for run in both for share in run.accuracies.values()]
    if is_at_chance(every, both[0].subject.case.classes):
        reason = f"{NOTHING_LEARNED.capitalize()}, and so nothing was overfitted."
        return Judgement(verdict="not testable here", reason=reason)
    lost = len(both[0].diverged), len(both[1].diverged)
    found = difference(without, with_, diverged=lost, names=("without dropout", "with dropout"))
    words = (
        f"Train accuracy less test accuracy {trained_on(*both)}: without dropout "
        f"{100 * mean(list(without.values())):.2f} points, with 0.5 {100 * mean(list(with_.values())):.2f}."
        f" {accuracies(*both, ('without', 'with'))}"
    )
    return judge_difference(found, "lower", "points of train-test gap", words)


# --- normalisation -----------------------------------------------------------------------------------------


def _norm(evidence: Evidence) -> Judgement:
    both = learned_of(NORM, evidence)
    return judge_norm(*both) if both else OF_TWO_MACHINES


def judge_norm(lrn: Learned, bn: Learned) -> Judgement:
    """That it is rarely used is a fact about people; what can be measured is whether there is a reason.

    holds: batch normalisation is more accurate. depends: equally accurate, and then on its cost.
    """
    found, names = compared(lrn, bn), ("local response", "batch")
    words = f"{accuracies(lrn, bn, names)} {rates(lrn, bn, names)}"
    judgement = judge_difference(found, "higher", "points of test accuracy, batch - local response", words)
    verdict: ClaimWord = "depends" if found.verdict == "equivalent" else judgement.verdict
    note = " Both by the same recipe; batch normalisation also allows a higher rate, which is not used here."
    return structs.replace(judgement, verdict=verdict, reason=judgement.reason + note)


CLAIMS = (
    Claim(
        said=statement("factorise-accuracy"),
        needs=lambda setting: needs_of(KERNELS, setting),
        judge=_higher(
            KERNELS,
            ("5x5", "pairs of 3x3"),
            "The network is configuration A with a quarter of its channels, whose three pairs of 3x3 become "
            "one 5x5 each; the paper found 7 points with configuration B on ImageNet.",
        ),
    ),
    Claim(said=statement("dropout"), needs=lambda setting: needs_of(DROPOUT, setting), judge=_dropout),
    Claim(
        said=statement("overlapping-pooling"),
        needs=lambda setting: needs_of(POOLING, setting),
        judge=_higher(
            POOLING,
            ("2x2", "overlapping 3x3"),
            "The claim is read as 'overlapping is more accurate': the paper found 0.4 points on ImageNet, "
            "and so a difference is ruled out here only where it would be 0.4 points or more.",
            margin=0.004,
        ),
    ),
    Claim(said=statement("lrn-batchnorm"), needs=lambda setting: needs_of(NORM, setting), judge=_norm),
    Claim(
        said=statement("augmentation"),
        needs=lambda setting: needs_of(AUGMENTATION, setting),
        judge=_higher(
            AUGMENTATION,
            ("without", "with random crops"),
            "The claim is read as 'more accurate': what is measured is the accuracy on unchanged test "
            "images, not robustness to changed ones. Crops alone: digits may not be mirrored and have no "
            "colour.",
        ),
    ),
)
