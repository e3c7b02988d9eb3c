"""What an ablation's tables show, in a paragraph: every word follows from a figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.plan.ablations import Form
from bench.schema.case import Case
from bench.stats.estimates import Ratio, centre
from reports.ablations.explanation import heading
from reports.ablations.form_pairs import TimedPair, TrainedPair
from reports.ablations.network_tables import gap
from reports.ablations.predictions import KernelRates, predicted, reason
from reports.cells import readable
from reports.tables.wording import points, signed_points, with_interval


def block_findings(sides: Sequence[TimedPair], peers: Mapping[Case, KernelRates]) -> Iterator[str]:
    """A paragraph for each kernel: how often the prediction held, how far it was off, and why."""
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
            f"Kernels, {label} against {base}: by FLOPs {_range(by_flops)}; measured, a step takes "
            f"{_range(values)} the time, {readable(centre(values))}x in the geometric mean of "
            f"{len(measured)} comparisons: {_counts(counts)}. Least at {_where(off[0])}, most at "
            f"{_where(off[-1])}. Against the prediction: {_counts(whys)}."
        )
    between = list(_relu(sides))
    if between:
        yield (
            f"Kernels, the ReLU inside the stack for {base}: with it a step takes {_range(between)} the "
            f"time of one without, {readable(centre(between))}x in the geometric mean."
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
        return "without an interval"
    if interval.method == "borrowed":
        return "of one process"
    if interval.high < 1:
        return "cheaper"
    return "dearer" if interval.low > 1 else "not to be told apart"


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in found.most_common())


def _where(pair: tuple[TimedPair, Ratio]) -> str:
    sides, ratio = pair
    case = sides.new.case
    place = f"{sides.comparison.subject}, {case.image} px, batch {case.batch}"
    return f"{readable(ratio.value)}x ({place}{_unusual(case)})"


def _unusual(case: Case) -> str:
    """`, amp-bf16, compile`: what is not fp32 and eager."""
    return "".join(f", {value}" for value in (case.precision, case.engine) if value not in ("fp32", "eager"))


def _range(values: Sequence[float]) -> str:
    low, high = readable(min(values)), readable(max(values))
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
        yield f"{name}, {subject}, against {base}: {'; '.join(sentences)}."


def _sentence(label: str, timed: Sequence[TimedPair], trained: Sequence[TrainedPair]) -> str:
    parts = [*(_time_words(each) for each in timed), *(_accuracy_words(each) for each in trained)]
    return f"{label}: {', '.join(part for part in parts if part)}"


def _time_words(sides: TimedPair) -> str:
    workload = sides.new.case.workload
    of, ratio = (
        ("a training step", sides.ratio("step"))
        if workload == "training"
        else ("inference", sides.ratio("forward", "inference"))
    )
    if ratio is None:
        return ""
    by_flops = predicted(sides, "step" if workload == "training" else "forward")
    flops = f" ({readable(by_flops)}x by FLOPs)" if by_flops and abs(by_flops - 1) > 0.005 else ""
    known = with_interval(ratio.value, ratio.interval, unit="x")
    if not known.is_resolved:
        return f"how much of the time {of}{_unusual(sides.new.case)} takes is {readable(known)}{flops}"
    return f"{of}{_unusual(sides.new.case)} takes {_ratio_words(ratio)} the time{flops}"


def _ratio_words(ratio: Ratio) -> str:
    if ratio.interval is None:
        return f"{readable(ratio.value)}x"
    low, high = readable(ratio.interval.low), readable(ratio.interval.high)
    return f"{readable(ratio.value)}x ({low} to {high})"


def _accuracy_words(trained_pair: TrainedPair) -> str:
    found = trained_pair.difference
    if found.difference is None:
        return f"accuracy {found.verdict} ({found.reason})"
    text = readable(signed_points(found.difference, found.low, found.high))
    before, after = gap(trained_pair.base), gap(trained_pair.new)
    gaps = (
        f", the gap to the training images {readable(points(before))} -> {readable(points(after))} points"
        if before is not None and after is not None
        else ""
    )
    return f"test accuracy {text} points, {found.verdict}{gaps}"
