"""Warm up, sample, stop: a clock and a callable, no torch."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.schema.case import MeasurementProtocol
from bench.schema.record import Stopped
from bench.stats import estimates

Clock = Callable[[], float]
"""Seconds from an arbitrary origin, never backwards."""

_GROWTH = 1.25
"""The rules are asked again when there is a quarter more data: asking after every sample would cost more
than the sample of a small network, and would stop at the first lucky moment."""


_SMALLEST_WINDOW = 3
"""Steps of the warm-up; two such windows are looked at."""
_FEWEST_TO_GIVE_UP = 6
"""Fewer samples have no 95% interval."""
HOPELESS = 3.0
"""A step that takes this many times as long as is worth measuring needs no interval: two samples will do."""


@dataclass(frozen=True)
class WarmUp:
    """How the warm-up went.

    step_seconds  the median of its steps
    stationary    whether its last two windows agreed; None where there were too few steps for two
    """

    steps: int
    seconds: float
    step_seconds: float
    stationary: bool | None


@dataclass(frozen=True)
class Samples:
    """`values[k]` are the samples of series k (s); `stopped` says which rule ended them."""

    values: tuple[list[float], ...]
    stopped: Stopped


def windows_agree(durations: Sequence[float]) -> bool:
    """Whether the last quarter and the quarter before it look alike: each one's median lies in the other's
    range. Needs no threshold, and a trend larger than the noise fails it."""
    size = max(_SMALLEST_WINDOW, len(durations) // 4)
    if len(durations) < 2 * size:
        return False
    last, before = durations[-size:], durations[-2 * size : -size]
    return min(before) <= statistics.median(last) <= max(before) and min(last) <= statistics.median(
        before
    ) <= max(last)


def warm_up(step: Callable[[], None], protocol: MeasurementProtocol, clock: Clock) -> WarmUp:
    """Run `step` until it ran and lasted long enough and two windows agree, or to the limit; steps so long
    that the limit leaves no room for two windows are not waited for: docs/method.md, "Warm-up"."""
    durations: list[float] = []
    start = before = clock()
    ask_at = protocol.warmup_steps
    while True:
        step()
        now = clock()
        durations.append(now - before)
        before = now
        elapsed = now - start
        enough = len(durations) >= ask_at and elapsed >= protocol.warmup_seconds
        if enough and windows_agree(durations):
            return _warm(durations, elapsed, agreed=True)
        most = protocol.warmup_limit_seconds
        if elapsed >= most and len(durations) >= protocol.warmup_steps:
            return _warm(durations, elapsed, agreed=False)
        if enough and _until_two_windows(durations) > most - elapsed:
            return _warm(durations, elapsed, agreed=False)
        if enough:
            ask_at = max(len(durations) + 1, int(len(durations) * _GROWTH))


def _until_two_windows(durations: Sequence[float]) -> float:
    """Seconds that it will take to have steps for two windows; 0 once there are."""
    return max(0, 2 * _SMALLEST_WINDOW - len(durations)) * statistics.median(durations)


def _warm(durations: Sequence[float], elapsed: float, *, agreed: bool) -> WarmUp:
    known = len(durations) >= 2 * _SMALLEST_WINDOW
    return WarmUp(len(durations), elapsed, statistics.median(durations), agreed if known else None)


def sample(take: Callable[[], Sequence[float]], protocol: MeasurementProtocol, clock: Clock) -> Samples:
    """Call `take` (one value for each series) until every series' median is known to `target_ci`.

    Stops at `max_samples`, or at `sampling_seconds` once there are `min_samples`, and says which; before
    either where the last series, which is the whole step's, is worse than `give_up_seconds`, and after two
    samples where it is beyond all hope.
    """
    rounds: list[Sequence[float]] = []
    start = clock()
    ask_at = protocol.min_samples if protocol.give_up_seconds is None else _FEWEST_TO_GIVE_UP
    while True:
        rounds.append(take())
        count = len(rounds)
        if count == 2 and _is_hopeless([values[-1] for values in rounds], protocol.give_up_seconds):
            return Samples(_series(rounds), "worse")
        enough = count >= protocol.min_samples
        over = count >= protocol.max_samples or clock() - start >= protocol.sampling_seconds
        if (enough and over) or count >= ask_at:
            series = _series(rounds)
            if _is_worse(series[-1], protocol.give_up_seconds):
                return Samples(series, "worse")
            if enough and all(estimates.interval_is_narrow(values, protocol.target_ci) for values in series):
                return Samples(series, "target")
            if enough and over:
                return Samples(series, "limit")
            ask_at = max(count + 1, int(count * _GROWTH))


def _series(rounds: Sequence[Sequence[float]]) -> tuple[list[float], ...]:
    return tuple([float(value) for value in column] for column in zip(*rounds, strict=True))


def _is_hopeless(samples: Sequence[float], limit_seconds: float | None) -> bool:
    return limit_seconds is not None and min(samples) > HOPELESS * limit_seconds


def _is_worse(samples: Sequence[float], limit_seconds: float | None) -> bool:
    """Whether the 95% interval of the median lies wholly above the limit."""
    interval = estimates.within_process(sorted(samples))
    return limit_seconds is not None and interval is not None and interval.low > limit_seconds


def halves_differ(samples: Sequence[float], tolerance: float) -> bool:
    """Whether the window drifted: the medians of its halves differ by more than `tolerance` (relative), and
    their 95% intervals lie apart. Of steady windows less than 1% are said to, whatever their noise."""
    half = len(samples) // 2
    first, second = sorted(samples[:half]), sorted(samples[half:])
    a, b = estimates.within_process(first), estimates.within_process(second)
    if a is None or b is None or (a.low <= b.high and b.low <= a.high):
        return False
    below, above = sorted((estimates.median_of_sorted(first), estimates.median_of_sorted(second)))
    return above - below > tolerance * below
