"""What the statistics promise about their errors, on streams whose truth is known.

Sizes and seeds are fixed beforehand. The functions under test are the real ones, from the median of each
process on; numpy only draws the streams and knows their truth. With 4,000 runs a coverage of 95% is seen
to within 0.7%.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats as oracle

from bench.schema.case import MeasurementProtocol
from bench.stats import diagnostics, moderation, sample_size, verdicts
from bench.stats.estimates import Interval, across_processes, median, median_ranks, within_process
from bench.timing import sampling

pytestmark = pytest.mark.slow

Random = np.random.Generator
Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
SAMPLES = 40
RUNS = 4000


def lognormal(random: Random, runs: int, processes: int) -> Array:
    """Logs of independent samples that spread by 5%."""
    return random.normal(0.0, 0.05, (runs, processes, SAMPLES))


def bimodal_steps(random: Random, runs: int, processes: int) -> Array:
    """One step in four takes 22% longer."""
    shape = (runs, processes, SAMPLES)
    return random.normal(0.0, 0.02, shape) + 0.2 * (random.uniform(size=shape) < 0.25)


def bimodal_processes(random: Random, runs: int, processes: int) -> Array:
    """Every other process is 5% slower from beginning to end, as when cuDNN picks another algorithm."""
    slow = random.uniform(size=(runs, processes, 1)) < 0.5
    return clustered(random, runs, processes, 0.01) + 0.05 * slow


def autocorrelated(random: Random, runs: int, processes: int) -> Array:
    """Each sample keeps 0.8 of the deviation of the one before it."""
    return wander(random, (runs, processes, SAMPLES))


def wander(random: Random, shape: tuple[int, ...]) -> Array:
    logs = random.normal(0.0, 0.05, shape)
    for step in range(1, shape[-1]):
        logs[..., step] = 0.8 * logs[..., step - 1] + 0.6 * logs[..., step]
    return logs


def drifting(random: Random, runs: int, processes: int) -> Array:
    """Every process begins up to 10% slow and settles."""
    start = random.uniform(0.0, 0.1, (runs, processes, 1))
    return lognormal(random, runs, processes) + start * np.exp(-np.arange(SAMPLES) / 20)


def clustered(random: Random, runs: int, processes: int, spread: float = 0.03) -> Array:
    """Processes differ among themselves."""
    return lognormal(random, runs, processes) + random.normal(0.0, spread, (runs, processes, 1))


def drifting_machine(random: Random, runs: int, processes: int) -> Array:
    """The machine slows down by 10% from the first process to the last, whichever these are."""
    slope = np.linspace(0.0, 0.1, processes)[None, :, None]
    return clustered(random, runs, processes, 0.01) + slope


Stream = Callable[[Random, int, int], Array]
STREAMS: tuple[Stream, ...] = (
    lognormal,
    bimodal_steps,
    bimodal_processes,
    autocorrelated,
    drifting,
    clustered,
)
every_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.__name__)
every_comparison = pytest.mark.parametrize(
    "stream", [*STREAMS, drifting_machine], ids=lambda stream: stream.__name__
)


def process_medians(stream: Stream, seed: int, runs: int, processes: int) -> list[list[float]]:
    """For each run the medians of its processes."""
    samples = np.exp(stream(np.random.default_rng(seed), runs, processes)).tolist()
    return [[median(process) for process in run] for run in samples]


def covered(intervals: Sequence[Interval | None], truth: float) -> float:
    return sum(i is not None and i.low <= truth <= i.high for i in intervals) / len(intervals)


def true_centre(stream: Stream) -> float:
    """The geometric mean of infinitely many process medians (of 200,000)."""
    random = np.random.default_rng(0)
    return math.exp(np.mean([np.median(stream(random, 1000, 10), axis=2).mean() for _ in range(20)]))


# A t interval needs more processes to know that there are two kinds of them.
PROCESSES: dict[Stream, int] = {bimodal_processes: 10}


@every_stream
def test_across_process_intervals_cover_the_truth(stream: Stream) -> None:
    runs = process_medians(stream, 1, RUNS, PROCESSES.get(stream, 5))
    assert 0.93 <= covered([across_processes(run) for run in runs], true_centre(stream)) <= 0.97


def test_three_processes_of_two_kinds_are_too_few() -> None:
    """The limit that the documents state: one time in four all three are of one kind."""
    runs = process_medians(bimodal_processes, 2, RUNS, 3)
    assert 0.85 <= covered([across_processes(run) for run in runs], true_centre(bimodal_processes)) <= 0.93


def independent(random: Random, kind: str, n: int) -> tuple[list[list[float]], float]:
    if kind == "lognormal":
        return random.lognormal(0.0, 0.1, (RUNS, n)).tolist(), 1.0
    slow = random.uniform(size=(RUNS, n)) < 0.25
    logs = random.normal(0.0, 0.02, (RUNS, n)) + 0.2 * slow
    # the median of the mixture is where two thirds of the fast mode lie below
    return np.exp(logs).tolist(), math.exp(0.02 * oracle.norm.ppf(0.5 / 0.75))


@pytest.mark.parametrize("kind", ["lognormal", "bimodal"])
@pytest.mark.parametrize("n", [20, 30, 50, 100, 200])
def test_within_process_intervals_cover_the_median(kind: str, n: int) -> None:
    rows, truth = independent(np.random.default_rng(3), kind, n)
    assert 0.93 <= covered([within_process(sorted(row)) for row in rows], truth) <= 0.97


def test_within_process_intervals_never_promise_too_much() -> None:
    """Exactly, for any distribution: at least 95%, and from 20 samples up at most 98.4% (22 have that)."""
    for n in range(6, 700):
        ranks = median_ranks(n)
        assert ranks is not None
        coverage = 1 - 2 * oracle.binom.cdf(ranks[0], n, 0.5)
        assert coverage >= 0.95
        assert n < 20 or coverage <= 0.984


def test_stopping_at_a_narrow_interval_costs_coverage() -> None:
    """It stops rather where the interval is narrow by chance: 3% at most, at this spread (70 samples)."""
    protocol = MeasurementProtocol(sampling_seconds=math.inf, max_samples=600)
    intervals = []
    for row in np.random.default_rng(4).lognormal(0.0, 0.03, (RUNS, 600)).tolist():
        taken = sampling.sample(zip(row).__next__, protocol, lambda: 0.0)
        intervals.append(within_process(sorted(taken.values[0])))
    assert 0.92 <= covered(intervals, 1.0) <= 0.95


@every_comparison
@pytest.mark.parametrize("processes", [5, 10])
def test_a_thing_is_rarely_told_from_itself(stream: Stream, processes: int) -> None:
    """The plan's order: in every round both sides, one after the other, in random order."""
    runs = process_medians(stream, 5, 400, 2 * processes)
    first = np.random.default_rng(6).integers(0, 2, (400, processes))
    alarms = 0
    for run, order in zip(runs, first.tolist(), strict=True):
        base = [run[2 * at + which] for at, which in enumerate(order)]
        new = [run[2 * at + 1 - which] for at, which in enumerate(order)]
        alarms += verdicts.unpaired(base, new).verdict in ("faster", "slower")
    assert alarms <= 12


@every_comparison
@pytest.mark.parametrize("processes", [2, 3, 5])
def test_a_thing_is_rarely_told_from_itself_with_variances_of_other_cases(
    stream: Stream, processes: int
) -> None:
    """Forty pairs of runs of ten cases each, through the functions that reports use, samples first."""
    random = np.random.default_rng(20)
    alarms = 0
    for _ in range(40):
        cases = np.exp(stream(random, 10, 2 * processes)).tolist()
        of = [[moderation.process_scatter(samples) for samples in case] for case in cases]
        scattered = [[scatter for scatter in case if scatter is not None] for case in of]
        sides = [moderation.case_scatter(case[which::2]) for case in scattered for which in (0, 1)]
        moderated = moderation.moderate_all(sides, moderation.fit(sides))
        for number, case in enumerate(scattered):
            medians = [math.exp(scatter.log_median) for scatter in case]
            both = (moderated[2 * number], moderated[2 * number + 1])
            word = verdicts.unpaired(medians[::2], medians[1::2], moderated=both).verdict
            alarms += word in ("faster", "slower")
    assert alarms <= 12


def ab(log_ratios: Sequence[float]) -> verdicts.Verdict:
    """The stopping rule as `ab` follows it: on until it is clear or all looks are made."""
    for pairs in verdicts.INTERIM_PAIRS:
        verdict = verdicts.interim_verdict(log_ratios[:pairs])
        assert verdict is not None
        if verdict.is_clear or pairs == verdicts.INTERIM_PAIRS[-1]:
            return verdict
    raise AssertionError("there is no look")


def log_ratios(runs: Sequence[Sequence[float]], seed: int) -> list[list[float]]:
    """log(new / base) of neighbouring processes, in random order within each pair."""
    logs = np.log(np.asarray(runs))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (logs.shape[0], logs.shape[1] // 2))
    ratios: list[list[float]] = (signs * (logs[:, 1::2] - logs[:, ::2])).tolist()
    return ratios


@every_comparison
def test_looking_four_times_raises_no_more_alarms(stream: Stream) -> None:
    runs = process_medians(stream, 7, 400, 2 * verdicts.INTERIM_PAIRS[-1])
    words = [ab(ratios).verdict for ratios in log_ratios(runs, 8)]
    assert sum(word in ("faster", "slower") for word in words) <= 12


def test_a_change_at_the_margin_is_rarely_called_equivalent() -> None:
    """The errors of the other kind: 5% are allowed, over all looks together."""
    edge = math.log(1 + verdicts.MARGIN)
    pairs = log_ratios(process_medians(clustered, 9, 400, 2 * verdicts.INTERIM_PAIRS[-1]), 10)
    by_looks = [ab([ratio + edge for ratio in ratios]).verdict for ratios in pairs]
    assert by_looks.count("equivalent") <= 0.05 * 400
    # standard error 0.4%: the 90% interval of the unpaired comparison fits into the margin
    runs = process_medians(lambda r, n, p: clustered(r, n, p, 0.005), 11, 400, 20)
    words = [verdicts.unpaired(run[:10], [v * math.exp(edge) for v in run[10:]]).verdict for run in runs]
    assert 0 < words.count("equivalent") <= 0.08 * 400


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.__name__)
def test_a_slowdown_of_3_percent_is_found_at_the_recommended_replicates(stream: Stream) -> None:
    """Pilot, recommendation, then the comparison, 200 times; every pilot is drawn anew."""
    random = np.random.default_rng(12)
    found = 0
    for pilot in process_medians(stream, 13, 200, 10):
        n = sample_size.recommended_replicates(pilot, effect=0.03)
        seed = int(random.integers(2**32))
        (run,) = process_medians(stream, seed, 1, 2 * n)
        found += verdicts.unpaired(run[:n], [1.03 * value for value in run[n:]]).verdict == "slower"
    assert found >= 198


def test_the_detectable_effect_is_found_99_times_in_100() -> None:
    """Planted: the effect that six processes of known scatter can see."""
    runs = process_medians(lambda r, n, p: clustered(r, n, p, 0.01), 14, RUNS, 12)
    detectable = [verdicts.unpaired(run[:6], run[6:]).detectable for run in runs]
    typical = math.sqrt(sum(value**2 for value in detectable if value is not None) / RUNS)
    found = [verdicts.unpaired(run[:6], [(1 + typical) * v for v in run[6:]], margin=0.0) for run in runs]
    assert 0.98 <= sum(verdict.verdict == "slower" for verdict in found) / RUNS <= 0.997


@pytest.mark.parametrize(
    "draw",
    [
        lambda random, shape: random.lognormal(0.0, 0.3, shape),
        lambda random, shape: 1 + random.uniform(0.0, 0.3, shape),
        lambda random, shape: 1 + 0.1 * random.exponential(1.0, shape),
    ],
    ids=["lognormal", "uniform", "exponential"],
)
@pytest.mark.parametrize("n", [20, 50, 300])
def test_independent_samples_of_one_mode_are_seldom_labelled(
    draw: Callable[[Random, tuple[int, int]], Array], n: int
) -> None:
    rows = draw(np.random.default_rng(15), (2000, n)).tolist()
    assert sum(diagnostics.autocorrelation(row) is not None for row in rows) <= 0.01 * 2000
    assert sum(diagnostics.two_modes(sorted(row)) is not None for row in rows) <= 0.02 * 2000


@pytest.mark.parametrize(("n", "least"), [(40, 0.6), (100, 0.97), (300, 1.0)])
def test_autocorrelated_streams_are_labelled_where_samples_suffice(n: int, least: float) -> None:
    """Correlation 0.8, at which the within-process interval covers 60% and not 95%."""
    rows = np.exp(wander(np.random.default_rng(16), (500, n))).tolist()
    assert sum(diagnostics.autocorrelation(row) is not None for row in rows) >= least * 500


@pytest.mark.parametrize(("share", "least"), [(0.5, 0.97), (0.3, 0.9)])
def test_two_modes_are_labelled(share: float, least: float) -> None:
    """Ten standard deviations apart, 50 samples."""
    random = np.random.default_rng(18)
    slow = random.uniform(size=(1000, 50)) < share
    rows = (1 + random.normal(0.0, 0.01, (1000, 50)) + 0.1 * slow).tolist()
    assert sum(diagnostics.two_modes(sorted(row)) is not None for row in rows) >= least * 1000
