"""Of the times of a process's whole step: what is kept to be drawn, and what makes their median less sure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from bench.schema.case_warnings import CaseWarning
from bench.schema.phases import Phase
from bench.stats.diagnostics import correlation_of_sides, effective_samples, two_modes
from reports.summary.process import Key

if TYPE_CHECKING:
    from bench.stats.sample_rows import SampleRows

TWENTIETHS = 20
"""A distribution is drawn from this many samples and one: the others would not be seen."""


class TimedSeries(Struct, frozen=True, gc=False):
    """Some of its samples, evenly by rank, and warnings of what makes its median less sure than its interval
    says."""

    spread: array[float]
    noticed: tuple[CaseWarning, ...] = ()


def of_single(key: Key, sample: float) -> TimedSeries:
    """Of a single sample."""
    words = f"{_name(key)} is a single sample, perhaps one slow step"
    return TimedSeries(array("d", [sample]), (CaseWarning("one-sample", words),))


def of_rounds(phase: Phase, seconds: Sequence[float]) -> tuple[CaseWarning, ...]:
    """What makes the median of these wall times less sure than its interval says, in the order of taking."""
    import numpy as np

    from bench.stats.sample_rows import SampleRows

    key: Key = (phase, "wall_time", "s", None, None)
    if len(seconds) == 1:
        return of_single(key, seconds[0]).noticed
    (found,) = of_several([key], SampleRows.of(np.array([seconds])))
    return found.noticed


def of_several(keys: Sequence[Key], rows: SampleRows) -> Iterator[TimedSeries]:
    """Of many series of one length, a row for each key."""
    samples = rows.taken.shape[1]
    spreads = rows.ordered[:, _places(samples)].tobytes()
    width = len(spreads) // max(len(keys), 1)
    facts = zip(keys, *rows.sides(), rows.may_have_modes(), strict=True)
    for row, (key, above, crossings, may_have_modes) in enumerate(facts):
        noticed = _alike_neighbours(key, samples, above, crossings)
        if may_have_modes:
            noticed += _two_modes(key, rows.ordered[row].tolist())
        yield TimedSeries(array("d", spreads[row * width : (row + 1) * width]), noticed)


@lru_cache(maxsize=65_536)  # the numbers are small ones, which many series share
def _alike_neighbours(key: Key, samples: int, above: int, crossings: int) -> tuple[CaseWarning, ...]:
    correlation = correlation_of_sides(samples, above, crossings)
    if correlation is None:
        return ()
    worth = effective_samples(samples, correlation)
    words = (
        f"samples of {_name(key)} correlate with the next ({correlation:.2f}): {samples} samples count as "
        f"{worth:.0f} independent ones"
    )
    return (CaseWarning("autocorrelated", words),)


def _two_modes(key: Key, ordered: Sequence[float]) -> tuple[CaseWarning, ...]:
    modes = two_modes(ordered)
    if modes is None:
        return ()
    of = f"{modes.share:.0%} of the samples of {_name(key)}"
    return (CaseWarning("bimodal", f"{of} take {modes.ratio:.2f}x as long as the rest"),)


def _name(key: Key) -> str:
    return f"the {key[1]} of {key[0]}"


@cache
def _places(count: int) -> list[int]:
    """The lowest sample, the highest, and those at each twentieth between; all where they are few."""
    steps = min(count - 1, TWENTIETHS)
    return [round((count - 1) * step / steps) for step in range(steps + 1)]
