"""What an ablation's tables show, in a paragraph made from the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.plan.ablations import Form
from bench.schema.case import Case
from bench.stats.estimates import Ratio, centre
from reports.ablations.choices import ratio_with_ends
from reports.ablations.explanation import heading
from reports.ablations.form_pairs import TimedPair, TrainedPair
from reports.ablations.network_tables import gap
from reports.ablations.predictions import KernelRates, predicted, reason
from reports.cells import readable
from reports.tables.case_names import network_name
from reports.tables.wording import points, signed_points


def block_findings(sides: Sequence[TimedPair], peers: Mapping[Case, KernelRates]) -> Iterator[str]:
    """A paragraph for each kernel: how often it was faster, how far the prediction was off, and why."""
    base = sides[0].comparison.base.label
    for label in dict.fromkeys(each.form.label for each in sides):
        measured = [
            (each, ratio)
            for each in sides
            if each.form.label == label and (ratio := each.ratio("step")) is not None
        ]
        if not measured:
            continue
        off = sorted(measured, key=lambda pair: pair[1].value)
        counts = Counter(_direction(ratio) for _, ratio in measured)
        whys = Counter(heading(why) for each, _ in measured if (why := reason(each, peers)) is not None)
        values = [ratio.value for _, ratio in measured]
        by_flops = [flops for each, _ in measured if (flops := predicted(each))]
        yield (
            f"{label} instead of {base}: a step takes {_range(values)} the time (geometric mean of "
            f"{len(measured)} comparisons: {readable(centre(values), 2)}x), predicted {_range(by_flops)}. "
            f"{_counts(counts).capitalize()}. Lowest: {_where(off[0])}. Highest: {_where(off[-1])}. "
            f"Compared with the prediction: {_counts(whys)}."
        )
    between = list(_relu(sides))
    if between:
        yield (
            f"The ReLU inside the stack for {base} changes the step time to {_range(between)} "
            f"(geometric mean {readable(centre(between), 2)}x)."
        )


def _relu(sides: Sequence[TimedPair]) -> Iterator[float]:
    """activated / linear, of stacks under the same conditions."""
    steps: dict[tuple[Case, str], tuple[Form, float]] = {}
    for each in sides:
        found = each.times("step")
        if found:
            steps[each.base.case, each.form.model] = each.form, found[1].median
    for (case, _), (form, seconds) in steps.items():
        if form.linear and (case, form.linear) in steps:
            yield seconds / steps[case, form.linear][1]


def _direction(ratio: Ratio) -> str:
    interval = ratio.interval
    if interval is None:
        return "without interval"
    if interval.method == "borrowed":
        return "of one process"
    if interval.high < 1:
        return "faster"
    return "slower" if interval.low > 1 else "undecided"


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in found.most_common())


def _where(pair: tuple[TimedPair, Ratio]) -> str:
    sides, ratio = pair
    case = sides.new.case
    place = f"{sides.comparison.subject}, {case.image} px, batch {case.batch}"
    return f"{readable(ratio.value, 2)}x ({place}{_unusual(case)})"


def _unusual(case: Case) -> str:
    """`, amp-bf16, compile`: what is not fp32 and eager."""
    return "".join(f", {value}" for value in (case.precision, case.engine) if value not in ("fp32", "eager"))


def _range(values: Sequence[float]) -> str:
    low, high = readable(min(values), 2), readable(max(values), 2)
    return f"{low}x" if low == high else f"{low}x to {high}x"


def network_findings(
    name: str, sides: Sequence[TimedPair], trained_pairs: Sequence[TrainedPair]
) -> Iterator[str]:
    """A paragraph for each network and base: time, memory and accuracy of every form."""
    comparisons = [each.comparison for each in sides] + [each.comparison for each in trained_pairs]
    bases = dict.fromkeys((comparison.subject, comparison.base.label) for comparison in comparisons)
    for subject, base in bases:
        timed = [each for each in sides if each.comparison.subject == subject]
        trained = [each for each in trained_pairs if each.comparison.subject == subject]
        labels = dict.fromkeys([each.form.label for each in timed] + [each.form.label for each in trained])
        sentences = [
            _sentence(
                label,
                [each for each in timed if each.form.label == label],
                [each for each in trained if each.form.label == label],
            )
            for label in labels
        ]
        yield f"{name}, {network_name(subject)}, base {base}. {' '.join(sentences)}"


def _sentence(label: str, timed: Sequence[TimedPair], trained: Sequence[TrainedPair]) -> str:
    parts = [*(_time_words(each) for each in timed), *(_accuracy_words(each) for each in trained)]
    return f"{label}: {', '.join(part for part in parts if part)}."


def _time_words(sides: TimedPair) -> str:
    workload = sides.new.case.workload
    what, ratio = (
        ("step time", sides.ratio("step"))
        if workload == "training"
        else ("inference time", sides.ratio("forward", "inference"))
    )
    if ratio is None:
        return ""
    by_flops = predicted(sides, "step" if workload == "training" else "forward")
    flops = f" (predicted {readable(by_flops, 2)}x)" if by_flops and abs(by_flops - 1) > 0.005 else ""
    return f"{what}{_unusual(sides.new.case)} {readable(ratio_with_ends(ratio))}{flops}"


def _accuracy_words(trained_pair: TrainedPair) -> str:
    found = trained_pair.difference
    if found.difference is None:
        return f"accuracy {found.verdict} ({found.reason})"
    text = readable(signed_points(found.difference, found.low, found.high))
    before, after = gap(trained_pair.base), gap(trained_pair.new)
    gaps = (
        f", train-test gap {readable(points(before))} → {readable(points(after))} points"
        if before is not None and after is not None
        else ""
    )
    return f"test accuracy {text} points, {found.verdict}{gaps}"
