"""Pairs of training runs: the evidence of claims about accuracy."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from bench import devices
from bench.plan import ablations
from bench.plan.ablations import sizes, trained_cases
from bench.schema.case import Case
from bench.stats.accuracy_verdicts import NOTHING_LEARNED, PARITY_MARGIN, Difference, difference
from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.cells import readable
from reports.claims.claim import ClaimWord, Judgement, Need, replicated, span
from reports.claims.evidence import Evidence, Setting
from reports.tables.wording import signed_points

MODEL = "vgg-small"
Direction = Literal["higher", "lower"]


class Pair(Struct, frozen=True):
    """Two forms of an ablation of one network, by their labels: the claim is about `new` against `base`."""

    ablation: str
    base: str
    new: str


KERNELS = Pair("kernels", "5x5", "as it is")


def cases_of(pair: Pair, setting: Setting) -> tuple[Case, Case]:
    """The trained cases of base and new, as `convbench ablate` runs them."""
    at = sizes(devices.traits(setting.device).scale)
    [ablation] = ablations.find(pair.ablation, at, level="network", models=(MODEL,))
    [comparison] = ablation.comparisons
    forms = {form.label: form for form in comparison.forms}
    base = comparison.base

    def case(label: str) -> Case:
        # the base stays: it is its recipe that all forms are trained by
        one = structs.replace(comparison, base=base, others=(forms[label],))
        found = trained_cases(
            [structs.replace(ablation, comparisons=(one,))], {"device": (setting.device,)}, setting.threads
        )
        return found[0] if forms[label] == base else found[1]

    return case(pair.base), case(pair.new)


def needs_of(pair: Pair, setting: Setting) -> tuple[Case, ...]:
    return replicated(list(cases_of(pair, setting)), setting.seeds)


def learned_of(pair: Pair, evidence: Evidence) -> tuple[Learned, Learned] | None:
    return both_of(cases_of(pair, evidence.setting), evidence)


def both_of(cases: tuple[Case, Case], evidence: Evidence) -> tuple[Learned, Learned] | None:
    """Base and new from one machine; None where it has not both."""
    runs = evidence.runs(cases)
    base, new = (runs.get(case) for case in cases)
    return (base, new) if base and new else None


OF_TWO_MACHINES = Judgement(
    verdict="not tested",
    found="trained on different machines",
    need="a run",
    reason="The two sides were trained on different machines.",
)


def compared(base: Learned, new: Learned, margin: float = PARITY_MARGIN) -> Difference:
    """The test accuracies after the last epoch, seed by seed."""
    return difference(
        base.accuracies,
        new.accuracies,
        classes=new.subject.case.classes,
        margin=margin,
        diverged=(len(base.diverged), len(new.diverged)),
        names=(base.subject.case.model, new.subject.case.model),
    )


def word_of(found: Difference, claimed: Direction) -> ClaimWord:
    """Equivalent rules out a difference that matters: the claim is false. Inconclusive rules out nothing."""
    if found.verdict in ("inconclusive", "diverged"):
        return "undecided"
    return "true" if found.verdict == claimed else "false"


ONE_SEED = "One seed per side does not show how much seeds differ: add seeds with --seeds."
TOO_FEW = "The 99% interval includes no difference: more seeds are needed."


def explained(found: Difference, margin: float = PARITY_MARGIN) -> str:
    """The verdict's reason in words, after the difference itself."""
    if found.reason == NOTHING_LEARNED:
        return f"{found.reason.capitalize()}, so the difference says nothing."
    words = {
        "higher": "The whole 99% interval is above 0.",
        "lower": "The whole 99% interval is below 0.",
        "equivalent": f"A difference of {points_in_words(margin)} or more is ruled out (90% interval).",
        "inconclusive": ONE_SEED if found.low is None else TOO_FEW,
        "diverged": f"{found.reason}.",
    }[found.verdict]
    seen = ""
    if found.verdict == "inconclusive" and found.detectable is not None:
        seen = (
            f" These seeds would have shown a difference of {100 * found.detectable:.1f} points. Add seeds "
            "with --seeds."
        )
    return words + seen


def points_in_words(share: float) -> str:
    return "1 point" if share == PARITY_MARGIN else f"{100 * share:g} points"


def _in_points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def judge_difference(
    found: Difference, claimed: Direction, unit: str, words: str, margin: float = PARITY_MARGIN
) -> Judgement:
    """A judgement on a difference of shares; `words` say what was compared."""
    shown = readable(signed_points(found.difference, found.low, found.high))
    figure = f" Difference: {shown} points." if shown else ""
    verdict = word_of(found, claimed)
    ends = _in_points(found.difference), _in_points(found.low), _in_points(found.high)
    return Judgement(
        verdict=verdict,
        figure=ends[0],
        low=ends[1],
        high=ends[2],
        unit=unit,
        found=_found(found, shown, unit),
        need=_need(found) if verdict == "undecided" else "",
        reason=f"{words}{figure} {explained(found, margin)}",
    )


def _found(found: Difference, shown: str, unit: str) -> str:
    """The difference in a few words; of one that decides nothing the ends of its interval alone."""
    if found.reason == NOTHING_LEARNED:
        return "neither side learned anything"
    if found.verdict == "diverged":
        return found.reason or ""
    if found.verdict == "inconclusive":
        value, low, high = map(_in_points, (found.difference, found.low, found.high))
        return f"{span(value, low, high, known=False)} {unit}"
    return f"{shown} {unit}"


def _need(found: Difference) -> Need:
    return "longer training" if found.reason == NOTHING_LEARNED else "more seeds"


def trained_on(base: Learned, new: Learned) -> str:
    """`on digits at 32 px (quick, 10 epochs, batch 32, 3 seeds)`"""
    case, task = new.subject.case, new.task
    seeds = sorted({len(run.ended | run.diverged) for run in (base, new)})
    sizes = sorted({run.subject.case.image for run in (base, new)})
    return (
        f"on {task.dataset} at {' and '.join(map(str, sizes))} px ({task.recipe.name}, "
        f"{task.recipe.epochs} epochs, batch {case.batch}, {' and '.join(map(str, seeds))} "
        f"{'seed' if seeds == [1] else 'seeds'})"
    )


def accuracies(base: Learned, new: Learned, names: tuple[str, str]) -> str:
    parts = [
        f"{name} {100 * run.figures[ACCURACY_KEY].median:.1f}%"
        for name, run in zip(names, (base, new), strict=True)
        if ACCURACY_KEY in run.figures
    ]
    return f"Test accuracy {trained_on(base, new)}: {', '.join(parts) or 'none'}."


def rates(base: Learned, new: Learned, names: tuple[str, str]) -> str:
    """The cost: images per second in the training steps; empty where it was not measured."""
    one, other = base.value("step_rate"), new.value("step_rate")
    if not one or not other:
        return ""
    return f"Training steps: {names[0]} {one:,.0f} images/s, {names[1]} {other:,.0f}."
