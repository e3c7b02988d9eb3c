"""Warm-up and sampling end by the protocol's rules, on planted streams and a clock that does not wait."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterable, Iterator

import pytest
from msgspec import structs

from bench.schema.case import MeasurementProtocol
from bench.timing.repeats import enough_samples
from bench.timing.sampling import Samples, WarmUp, halves_differ, sample, warm_up, windows_agree

FAST = MeasurementProtocol(
    warmup_steps=3,
    warmup_seconds=1.0,
    warmup_limit_seconds=20.0,
    target_ci=0.01,
    min_samples=20,
    max_samples=500,
    sampling_seconds=10.0,
)


class Stream:
    """Steps of planted durations, and the clock that they move."""

    def __init__(self, durations: Iterable[float]) -> None:
        self.now = 100.0
        self.taken = 0
        self._durations = iter(durations)

    def clock(self) -> float:
        return self.now

    def step(self) -> None:
        self.take()

    def take(self) -> tuple[float, ...]:
        duration = next(self._durations)
        self.now += duration
        self.taken += 1
        return (duration,)


def warm(durations: Iterable[float], protocol: MeasurementProtocol = FAST) -> WarmUp:
    stream = Stream(durations)
    return warm_up(stream.step, protocol, stream.clock)


def sampled(durations: Iterable[float], protocol: MeasurementProtocol = FAST) -> Samples:
    stream = Stream(durations)
    return sample(stream.take, protocol, stream.clock)


def noisy(centre: float, spread: float, seed: int = 0) -> Iterator[float]:
    """Uniform around `centre` within `spread` (relative)."""
    draw = random.Random(seed)
    while True:
        yield centre * (1 + draw.uniform(-spread, spread))


def growing(start: float, factor: float) -> Iterator[float]:
    return (start * factor**k for k in itertools.count())


def test_a_constant_stream_is_warm_once_the_seconds_have_passed() -> None:
    warmed = warm(itertools.repeat(0.125))
    assert warmed == WarmUp(steps=8, seconds=1.0, step_seconds=0.125, stationary=True)


def test_slow_steps_are_warm_once_there_are_two_windows() -> None:
    """The seconds pass at once; two windows of three steps are what an agreement needs."""
    found = warm(itertools.repeat(2.0))
    assert found == WarmUp(steps=6, seconds=12.0, step_seconds=2.0, stationary=True)


@pytest.mark.parametrize("steps", [10, 37])
def test_the_number_of_steps_is_a_condition_of_its_own(steps: int) -> None:
    protocol = structs.replace(FAST, warmup_steps=steps, warmup_limit_seconds=1000.0)
    assert warm(itertools.repeat(1.0), protocol).steps == steps


def test_a_slow_start_is_warmed_away() -> None:
    """30 slow steps, then steady: the end must lie where both windows hold steady steps only."""
    warmed = warm(itertools.chain(_falling(), noisy(0.05, 0.05)))
    assert warmed.stationary
    assert warmed.steps >= 30 + 2 * 7


def _falling() -> list[float]:
    return [0.05 + 0.3 * 0.9**k for k in range(30)]


@pytest.mark.parametrize("factor", [1.02, 0.98])
def test_a_trend_is_never_stationary_and_ends_at_the_limit(factor: float) -> None:
    warmed = warm(growing(0.1, factor), structs.replace(FAST, warmup_limit_seconds=4.0))
    assert not warmed.stationary
    assert warmed.seconds == pytest.approx(4.0, abs=0.25)


def test_a_limit_below_the_first_steps_still_takes_the_least_number() -> None:
    protocol = structs.replace(FAST, warmup_limit_seconds=0.5, warmup_steps=4)
    assert warm(growing(1.0, 1.5), protocol).steps == 4


BRIEF = structs.replace(
    FAST,
    warmup_steps=1,
    warmup_seconds=0.3,
    warmup_limit_seconds=0.6,
    fewest_samples=3,
    sampling_seconds=0.6,
)
"""Few samples of slow steps, after a short warm-up."""


@pytest.mark.parametrize(("step", "steps"), [(1.7, 1), (0.4, 1), (0.2, 2), (0.11, 3)])
def test_two_windows_that_do_not_fit_below_the_limit_are_not_waited_for(step: float, steps: int) -> None:
    """Then nobody knows whether the steps were stationary, and nothing is said of it."""
    assert (found := warm(itertools.repeat(step), BRIEF)).steps == steps
    assert found.stationary is None
    assert warm(growing(step, 1.5), BRIEF).stationary is None


def test_two_windows_that_fit_are_compared_as_ever() -> None:
    assert warm(itertools.repeat(0.05), BRIEF).stationary is True
    assert warm(growing(0.02, 1.2), BRIEF).stationary is False


def test_a_slow_first_step_is_in_the_warm_up_and_not_in_its_median() -> None:
    warmed = warm(itertools.chain([0.2], itertools.repeat(0.02)), BRIEF)
    assert warmed.step_seconds == pytest.approx(0.02)


TABLE_B = [
    (1.598, 1.00, 1.00, 0.042),
    (0.862, 1.00, 1.01, 0.036),
    (0.324, 1.15, 0.98, 0.025),
    (0.197, 1.02, 0.99, 0.062),
    (0.110, 1.07, 1.00, 0.024),
    (0.097, 1.03, 0.98, 0.060),
    (0.017, 1.27, 1.00, 0.050),
]
"""Seconds of a step on two cores, its first and its second against the median, and the scatter of the rest:
vgg16 and vgg11 at batch 8, alexnet in training, vgg16 and vgg11 at batch 1, alexnet at batch 8 and 1."""


def decaying(step: float, first: float, second: float, scatter: float, seed: int) -> Iterator[float]:
    draw = random.Random(seed)
    for slowed in itertools.chain([first, second], itertools.repeat(1.0)):
        yield step * slowed * math.exp(draw.gauss(0, scatter))


@pytest.mark.parametrize(("step", "first", "second", "scatter"), TABLE_B)
def test_a_slow_first_step_moves_no_median_of_a_few_samples(
    step: float, first: float, second: float, scatter: float
) -> None:
    """Warmed up and sampled 400 times: the mean of the medians is that of steps without the decay."""
    shift = []
    for seed in range(400):
        stream = Stream(decaying(step, first, second, scatter, seed))
        warmed = warm_up(stream.step, BRIEF, stream.clock)
        few = structs.replace(BRIEF, min_samples=enough_samples(BRIEF, warmed.step_seconds))
        taken = sample(stream.take, few, stream.clock).values[0]
        assert len(taken) >= 3
        shift.append(math.log(statistics.median(taken) / step))
    assert abs(statistics.mean(shift)) < 0.01


def test_noise_without_a_trend_is_warm_long_before_the_limit() -> None:
    warmups = [warm(noisy(0.02, 0.3, seed)) for seed in range(50)]
    assert all(warmed.stationary for warmed in warmups)
    assert max(warmed.seconds for warmed in warmups) < 4.0


def test_windows_of_two_levels_do_not_agree() -> None:
    assert not windows_agree([1.0, 1.1, 0.9] * 3 + [2.0, 2.1, 1.9])
    assert windows_agree([2.0, 2.1, 1.9, 1.95, 2.05, 2.0])
    assert not windows_agree([1.0] * 5)


def test_steady_samples_stop_at_the_least_number_for_the_target() -> None:
    taken = sampled(itertools.repeat(0.01))
    assert taken == Samples(([0.01] * 20,), "target")


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.08])
def test_more_noise_takes_more_samples_until_the_interval_is_narrow(spread: float) -> None:
    """Checked by the definition: the two order statistics that hold the median with 95%."""
    taken = sampled(noisy(0.001, spread))
    ordered = sorted(taken.values[0])
    n = len(ordered)
    assert taken.stopped == "target"
    assert 20 <= n < 500
    low, high = _ranks(n)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    assert ordered[high] - middle <= 0.01 * middle
    assert middle - ordered[low] <= 0.01 * middle


def _ranks(n: int) -> tuple[int, int]:
    """The interval of the median by scipy's binomial distribution."""
    from scipy.stats import binom

    low = int(binom.ppf(0.025, n, 0.5)) - 1
    return low, n - 1 - low


def test_a_noise_that_never_narrows_stops_at_the_largest_number() -> None:
    taken = sampled(itertools.cycle([0.001, 0.002]))
    assert (len(taken.values[0]), taken.stopped) == (500, "limit")


def test_time_ends_sampling_and_says_so() -> None:
    taken = sampled(itertools.cycle([0.25, 0.5]))
    assert taken.stopped == "limit"
    assert sum(taken.values[0]) == pytest.approx(10.0, abs=0.5)


def test_time_never_ends_sampling_below_the_least_number() -> None:
    taken = sampled(itertools.cycle([2.0, 4.0]))
    assert (len(taken.values[0]), taken.stopped) == (20, "limit")


def test_a_target_that_is_met_at_the_limit_counts_as_met() -> None:
    taken = sampled(itertools.repeat(2.0))
    assert (len(taken.values[0]), taken.stopped) == (20, "target")


def test_every_series_must_be_narrow() -> None:
    stream = Stream(itertools.repeat(0.001))
    second = itertools.cycle([1.0, 2.0])
    taken = sample(lambda: (*stream.take(), next(second)), FAST, stream.clock)
    assert taken.stopped == "limit"
    assert [len(values) for values in taken.values] == [500, 500]
    assert taken.values[1][:4] == [1.0, 2.0, 1.0, 2.0]


def test_the_order_of_samples_is_kept() -> None:
    durations = [0.01 * (1 + k % 3 / 1000) for k in range(20)]
    assert sampled(durations).values == (durations,)


def test_what_is_surely_worse_is_given_up_at_the_first_interval() -> None:
    """Six samples are the fewest whose range is a 95% interval of the median."""
    protocol = structs.replace(FAST, give_up_seconds=0.9)
    taken = sampled(itertools.repeat(1.0), protocol)
    assert taken == Samples(([1.0] * 6,), "worse")
    slow = structs.replace(FAST, give_up_seconds=0.9, min_samples=3)
    assert sampled(itertools.repeat(1.0), slow).stopped == "worse"


def test_what_is_beyond_hope_is_given_up_after_two_samples() -> None:
    """One slow sample is an accident, and two of less than three times the limit need an interval."""
    protocol = structs.replace(FAST, give_up_seconds=0.1)
    assert sampled(itertools.repeat(0.31), protocol) == Samples(([0.31] * 2,), "worse")
    assert len(sampled(itertools.chain([9.0], itertools.repeat(0.2)), protocol).values[0]) == 6
    assert len(sampled(itertools.repeat(0.29), protocol).values[0]) == 6


def test_what_may_be_better_is_measured_to_the_end() -> None:
    for limit in (1.0, 1.1):  # an interval that touches the limit does not lie above it
        protocol = structs.replace(FAST, give_up_seconds=limit)
        assert sampled(itertools.repeat(1.0), protocol) == sampled(itertools.repeat(1.0))
    wide = structs.replace(FAST, give_up_seconds=0.0015)
    assert sampled(itertools.cycle([0.001, 0.0022]), wide).stopped == "limit"


def test_a_doubt_at_first_is_decided_by_more_samples() -> None:
    """The first samples spread around the limit; what follows lies above it."""
    stream = itertools.chain([0.8, 1.2, 0.8, 1.2], itertools.repeat(1.2))
    taken = sampled(stream, structs.replace(FAST, give_up_seconds=1.0))
    assert taken.stopped == "worse"
    assert 6 < len(taken.values[0]) < 20


@pytest.mark.parametrize(("series", "stopped"), [((2.0, 0.5), "target"), ((0.5, 2.0), "worse")])
def test_the_whole_step_decides_what_is_given_up_and_not_its_phases(
    series: tuple[float, float], stopped: str
) -> None:
    stream = Stream(itertools.repeat(0.001))

    def take() -> tuple[float, float]:
        stream.take()
        return series

    assert sample(take, structs.replace(FAST, give_up_seconds=1.0), stream.clock).stopped == stopped


def test_a_drift_inside_the_window_is_seen_and_noise_is_not() -> None:
    drifting = [1.0 + 0.01 * k for k in range(40)]
    assert halves_differ(drifting, tolerance=0.02)
    assert not halves_differ([1.0, 1.2] * 20, tolerance=0.02)
    assert not halves_differ([1.0 + 0.0001 * k for k in range(40)], tolerance=0.02)
    assert not halves_differ([1.0] * 3 + [2.0] * 4, tolerance=0.02)  # too few to tell


@pytest.mark.parametrize("samples", [20, 40, 100])
def test_false_alarms_of_drift_are_rare(samples: int) -> None:
    """The label must mean something: at most 1 in 100 of steady windows may carry it."""
    streams = [noisy(1.0, 0.2, seed) for seed in range(500)]
    windows = [list(itertools.islice(stream, samples)) for stream in streams]
    assert sum(halves_differ(window, tolerance=0.02) for window in windows) <= 5


def test_a_drift_larger_than_the_noise_is_seen_nearly_always() -> None:
    streams = [noisy(1.0, 0.05, seed) for seed in range(100)]
    windows = [[v * (1 + 0.01 * k) for k, v in enumerate(itertools.islice(s, 40))] for s in streams]
    assert sum(halves_differ(window, tolerance=0.02) for window in windows) >= 98
