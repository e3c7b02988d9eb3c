"""Which of several cases is best, and which of the others cannot be told from it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from msgspec import Struct

from bench.stats.accuracy_verdicts import Difference, difference
from bench.stats.verdicts import Verdict, holm, unpaired
from reports.analysis.learned import ACCURACY_KEY, Learned
from reports.summary.figures import Figure

FEWEST_SEEDS = 2
"""With fewer it is unknown how much seeds differ."""


class Ranking(Struct, frozen=True):
    """The best case, those that may be as good, and those that are shown to be worse.

    Shown means at 99% for all pairs of cases together, as the best was chosen after looking.
    """

    best: Learned
    level: tuple[Learned, ...]
    worse: tuple[Learned, ...]


def by_accuracy(runs: Sequence[Learned]) -> Ranking | None:
    """The highest test accuracy; None where fewer than two cases may be ranked."""
    fit = [run for run in runs if is_ranked(run)]
    values = [run.figures[ACCURACY_KEY].median for run in fit]
    pairs = itertools.combinations(fit, 2)
    return _ranked(fit, values, [_p(difference(one.accuracies, other.accuracies)) for one, other in pairs])


def by_time_to_target(runs: Sequence[Learned]) -> Ranking | None:
    """The shortest time to the target, of the cases whose seeds all reached it."""
    fit = [run for run in runs if is_ranked(run) and time_to_target(run) is not None]
    times = [figure for run in fit if (figure := time_to_target(run))]
    pairs = itertools.combinations(times, 2)
    ps = [_p(unpaired(one.independent, other.independent)) for one, other in pairs]
    return _ranked(fit, [-figure.median for figure in times], ps)


def is_ranked(run: Learned) -> bool:
    """Several seeds, none diverged, and better than guessing."""
    return len(run.accuracies) >= FEWEST_SEEDS and not run.diverged and not run.is_at_chance


def time_to_target(run: Learned) -> Figure | None:
    """None unless all seeds reached it."""
    figure = run.figure("time_to_target")
    return figure if figure and len(set(figure.replicates)) == run.seeds else None


def _p(found: Difference | Verdict) -> float:
    """Where nothing varies there is no test: what is equal is equal, and what differs differs."""
    if found.p is not None:
        return found.p
    if isinstance(found, Difference):
        return 0.0 if found.difference else 1.0
    return 1.0 if found.ratio in (None, 1.0) else 0.0


def _ranked(runs: Sequence[Learned], values: Sequence[float], p_values: Sequence[float]) -> Ranking | None:
    """The highest value is best; `p_values` are those of all pairs, in the order of `combinations`."""
    if len(runs) < FEWEST_SEEDS:
        return None
    best = max(range(len(runs)), key=values.__getitem__)
    pairs = itertools.combinations(range(len(runs)), 2)
    apart = {pair for pair, shown in zip(pairs, holm(p_values), strict=True) if shown and best in pair}
    worse = {at for pair in apart for at in pair if at != best}
    level = set(range(len(runs))) - worse - {best}
    return Ranking(
        runs[best], tuple(runs[at] for at in sorted(level)), tuple(runs[at] for at in sorted(worse))
    )
