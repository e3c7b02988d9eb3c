"""What training runs show, in a sentence each: claims that the seeds support, and none that they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import structs

from bench.schema.plurals import how_many
from reports.analysis.learned import ACCURACY_KEY, Learned, Together
from reports.analysis.parity import BASES, Parity, parities
from reports.analysis.rankings import Ranking, by_accuracy, by_time_to_target, time_to_target
from reports.cells import brief, readable
from reports.sections.accuracy_tables import where_in_words
from reports.summary.figures import Figure
from reports.tables.case_columns import NOT_SHOWN, in_words, varying
from reports.tables.case_names import network_name
from reports.tables.listing import and_more
from reports.tables.wording import mean_percent, of_seeds, signed_points

CaseNames = Mapping[int, str]
"""What a run is called in its group, by `id` of the run."""

MOST_HEADLINES = 4
NAMED = 3
"""Cases of a sentence that are named; of more their number."""


def names_of(groups: Mapping[Together, Sequence[Learned]]) -> CaseNames:
    """`VGG-16`, and where a network has several cases what tells them apart: `VGG-16, amp-bf16`"""
    found = {}
    for runs in groups.values():
        for run in runs:
            name = network_name(run.subject.case.model)
            alike = [each.subject for each in runs if each.subject.case.model == run.subject.case.model]
            axes = varying(alike, without=("dataset", "machine", "target", *NOT_SHOWN))
            words = in_words(run.subject, axes)
            found[id(run)] = f"{name}, {words}" if words else name
    return found


def headlines(groups: Mapping[Together, Sequence[Learned]], names: CaseNames) -> tuple[str, ...]:
    """At most MOST_HEADLINES and how many more there would be; at least one."""
    told = [
        sentence
        for key, runs in groups.items()
        for sentence in _accuracies(where_in_words(key, groups), runs, names)
    ]
    told += [_parity(found) for runs in groups.values() for found in parities(runs)]
    told += [sentence for runs in groups.values() for sentence in _speeds(runs, names)]
    if not told:
        return ("No training run came to an end.",)
    more = len(told) - MOST_HEADLINES
    shown = told[:MOST_HEADLINES]
    return (*shown, f"And {more} more: --section accuracy.") if more > 0 else tuple(shown)


def _accuracies(where: str, runs: Sequence[Learned], names: CaseNames) -> Iterator[str]:
    learned = [run for run in runs if run.accuracies and not run.is_at_chance]
    ranking = by_accuracy(runs)
    if ranking is not None:
        yield f"{_most_accurate(where, ranking, names)}{_not_ranked(learned, ranking)}."
    elif len(learned) == 1:
        yield _alone(where, learned[0], names)
    elif learned and not any(map(_is_resolved, learned)):
        yield f"{_not_resolved(where, len(learned))}."
    elif learned:
        yield _unranked(where, learned)
    elif any(run.is_at_chance for run in runs):
        yield f"No network learned anything on {where}."
    else:
        yield from _rates(where, [run for run in runs if run.ended], names)


def _speeds(runs: Sequence[Learned], names: CaseNames) -> Iterator[str]:
    alike = [run for run in runs if run.task.target == _target(runs)]
    fastest = by_time_to_target(alike)
    if fastest is not None:
        reached = [run for run in alike if time_to_target(run) and not run.is_at_chance]
        yield f"{_fastest(fastest, names)}{_not_ranked(reached, fastest)}."


def _not_ranked(runs: Sequence[Learned], ranking: Ranking) -> str:
    """`; not ranked: 1 case with one seed or diverged seeds`: what a table may show as better still."""
    left_out = len(runs) - 1 - len(ranking.level) - len(ranking.worse)
    return f"; not ranked: {how_many(left_out, 'case')} with one seed or diverged seeds" if left_out else ""


def _target(runs: Sequence[Learned]) -> float | None:
    """The most frequent; None where no run has one."""
    targets = [run.task.target for run in runs if run.task.target is not None]
    return max(dict.fromkeys(targets), key=targets.count) if targets else None


def _most_accurate(where: str, ranking: Ranking, names: CaseNames) -> str:
    """`Highest test accuracy on digits: VGG-11-BN 98.1% ±0.4`, or that no case is the most accurate."""
    if not ranking.worse and not any(map(_is_resolved, (ranking.best, *ranking.level))):
        return _not_resolved(where, 1 + len(ranking.level))
    if not ranking.worse:
        alike = (ranking.best, *ranking.level)
        return f"None of {len(alike)} cases is clearly the most accurate on {where}: {_span(alike)}"
    worse = _listed(ranking.worse, names)
    best = f"{names[id(ranking.best)]} {_percent(ranking.best)}"
    if not ranking.level:
        return f"Highest test accuracy on {where}: {best}; lower: {worse}"
    level = _listed(ranking.level, names)
    return f"Highest test accuracy on {where}: {best}, not distinguishable from {level}; lower: {worse}"


def _fastest(ranking: Ranking, names: CaseNames) -> str:
    """`First at 90%: LeNet-5, after 2.2 s ±4% of training.`"""
    best, target = ranking.best, ranking.best.task.target or 0.0
    first = f"First at {100 * target:g}%: {names[id(best)]}, after {_seconds(best)} of training"
    if not ranking.level:
        return first
    others = [f"{names[id(run)]} ({_seconds(run)})" for run in ranking.level]
    return f"{first}; not distinguishable: {and_more(others, NAMED)}"


def _alone(where: str, run: Learned, names: CaseNames) -> str:
    """`VGG-small on digits: 97.2% ±0.8 test accuracy (3 seeds, 6 epochs); 90% after 30 s of training.`"""
    target, reached = run.task.target, time_to_target(run)
    seeds = how_many(len(run.accuracies), "seed")
    accuracy = f"{_percent(run)} test accuracy" if _is_resolved(run) else f"test accuracy {_percent(run)}"
    told = f"{names[id(run)]} on {where}: {accuracy} ({seeds}, {run.task.recipe.epochs} epochs)"
    if target is None:
        return f"{told}."
    if reached is None:
        return f"{told}; not all seeds reached {100 * target:g}%."
    return f"{told}; {100 * target:g}% after {_seconds(run)} of training."


def _unranked(where: str, runs: Sequence[Learned]) -> str:
    return (
        f"{len(runs)} cases on {where}: {_span(runs)}; not ranked, since that takes two cases of several "
        "seeds each, none of which diverged."
    )


def _rates(where: str, runs: Sequence[Learned], names: CaseNames) -> Iterator[str]:
    for run in runs:
        figure = run.figure("loop_rate")
        if figure is not None:
            yield f"{names[id(run)]} on {where}: training at {brief(of_seeds(figure, unit=' images/s'))}."


def _parity(found: Parity) -> str:
    """A precision or an engine against fp32 or eager, as the verdict says."""
    case, judged = found.new.subject.case, found.difference
    name, value, base = network_name(case.model), getattr(case, found.axis), BASES[found.axis]
    points = readable(signed_points(judged.difference, judged.low, judged.high))
    if judged.verdict == "equivalent":
        return f"{name} in {value} is as accurate as in {base}: {points} points, within ±1."
    if judged.verdict in ("higher", "lower"):
        more = "more" if judged.verdict == "higher" else "less"
        return f"{name} in {value} is {more} accurate than in {base}: {points} points."
    if judged.verdict == "diverged" or judged.detectable is None:
        return f"{name} in {value} against {base}: undecided, {judged.reason}."
    return (
        f"{name} in {value} against {base}: undecided; differences below "
        f"{100 * judged.detectable:.1f} points could not be seen."
    )


def _listed(runs: Sequence[Learned], names: CaseNames) -> str:
    """`VGG-small 98.0% ±0.5, LeNet-5 96.5% ±0.5 and 2 more`"""
    return and_more([f"{names[id(run)]} {_percent(run)}" for run in runs], NAMED)


def _percent(run: Learned) -> str:
    """`98.1% ±0.4`, in points."""
    found = mean_percent(run.figures[ACCURACY_KEY])
    return brief(structs.replace(found, unit="%")) if found else ""


def _is_resolved(run: Learned) -> bool:
    found = mean_percent(run.figures.get(ACCURACY_KEY))
    return found is not None and found.is_resolved


def _not_resolved(where: str, cases: int) -> str:
    return f"Accuracy on {where} is not resolved in any of {cases} cases: seeds differ too much"


def _span(runs: Sequence[Learned]) -> str:
    """`93% to 95% test accuracy`: the lowest and the highest mean that is resolved, each with the digits that
    its interval leaves it; then how many are not resolved."""
    known = (run.figures[ACCURACY_KEY] for run in runs if _is_resolved(run))
    figures = sorted(known, key=lambda figure: figure.median)
    open_ = len(runs) - len(figures)
    also = f" ({how_many(open_, 'case')} not resolved)" if open_ else ""
    ends = " to ".join(dict.fromkeys((_mean(figures[0]), _mean(figures[-1]))))
    return f"{ends} test accuracy{also}"


def _mean(figure: Figure) -> str:
    found = mean_percent(figure)
    assert found is not None
    return brief(structs.replace(found, unit="%", interval="unwritten", of_one=False))


def _seconds(run: Learned) -> str:
    figure = time_to_target(run)
    return brief(of_seeds(figure, unit=" s")) if figure else ""
