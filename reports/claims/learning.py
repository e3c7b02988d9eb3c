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
        found = "the final train accuracy was not measured"
        return Judgement(verdict="not tested", found=found, need="a run", reason=f"{found.capitalize()}.")
    every = [share for run in both for share in run.accuracies.values()]
    if is_at_chance(every, both[0].subject.case.classes):
        return Judgement(
            verdict="undecided",
            found="neither side learned anything",
            need="longer training",
            reason=f"{NOTHING_LEARNED.capitalize()}, so nothing was overfitted.",
        )
    lost = len(both[0].diverged), len(both[1].diverged)
    gap = difference(without, with_, diverged=lost, names=("without dropout", "with dropout"))
    words = (
        f"Train accuracy minus test accuracy {trained_on(*both)}: without dropout "
        f"{100 * mean(list(without.values())):.1f} points, with 0.5 {100 * mean(list(with_.values())):.1f}."
        f" {accuracies(*both, ('without', 'with'))}"
    )
    return judge_difference(gap, "lower", "points of train-test gap", words)


# --- normalization -----------------------------------------------------------------------------------------


def _norm(evidence: Evidence) -> Judgement:
    both = learned_of(NORM, evidence)
    return judge_norm(*both) if both else OF_TWO_MACHINES


def judge_norm(lrn: Learned, bn: Learned) -> Judgement:
    """How often people use it cannot be measured; whether they have a reason can.

    true: batch normalization is more accurate. depends: equally accurate, so its cost decides.
    """
    found, names = compared(lrn, bn), ("local response", "batch")
    words = f"{accuracies(lrn, bn, names)} {rates(lrn, bn, names)}"
    judgement = judge_difference(found, "higher", "points of test accuracy", words)
    verdict: ClaimWord = "depends" if found.verdict == "equivalent" else judgement.verdict
    note = (
        " The difference is batch minus local response normalization. Both have the same recipe; batch "
        "normalization would allow a higher learning rate, which is not used here."
    )
    return structs.replace(judgement, verdict=verdict, reason=judgement.reason + note)


CLAIMS = (
    Claim(
        said=statement("factorise-accuracy"),
        needs=lambda setting: needs_of(KERNELS, setting),
        judge=_higher(
            KERNELS,
            ("5x5", "pairs of 3x3"),
            "The network is configuration A with a quarter of the channels; each of its three pairs of 3x3 "
            "becomes one 5x5. The paper found 7 points with configuration B on ImageNet.",
        ),
    ),
    Claim(said=statement("dropout"), needs=lambda setting: needs_of(DROPOUT, setting), judge=_dropout),
    Claim(
        said=statement("overlapping-pooling"),
        needs=lambda setting: needs_of(POOLING, setting),
        judge=_higher(
            POOLING,
            ("2x2", "overlapping 3x3"),
            "Tested as 'overlapping pooling is more accurate'. The paper found 0.4 points on ImageNet, so "
            "false means that 0.4 points or more are ruled out.",
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
            "Tested as 'more accurate' on unchanged test images, not as robust to changed ones. Crops only: "
            "mirrored digits are no digits, and digits have no color.",
        ),
    ),
)
