"""Speed-up, efficiency and what is lost, on planted times."""

from __future__ import annotations

import pytest

from bench.stats.estimates import Interval, ratio_across_processes
from bench.stats.scaling import (
    RankSeconds,
    Share,
    StepParts,
    apart_of,
    gap_of,
    ideal_seconds,
    is_more,
    losses,
    parts_add_up,
    parts_of,
    scaling,
)

ONE = [1.00, 1.02, 0.98]
EIGHT = [1.10, 1.08, 1.12]


def test_weak_scaling_counts_the_images_of_all_ranks() -> None:
    found = scaling(ratio_across_processes(ONE, EIGHT), ranks=(1, 8), batches=(32, 256))
    assert found.speed_up.value == pytest.approx(8 * 1.0 / 1.1, rel=1e-3)
    assert found.efficiency.value == pytest.approx(1.0 / 1.1, rel=1e-3)
    assert found.efficiency.interval is not None
    assert found.efficiency.interval.low < found.efficiency.value < found.efficiency.interval.high


def test_strong_scaling_is_the_ratio_of_the_times() -> None:
    found = scaling(ratio_across_processes([1.0, 1.01], [0.3, 0.31]), ranks=(1, 4), batches=(64, 64))
    assert found.speed_up.value == pytest.approx(3.3, rel=0.01)
    assert found.efficiency.value == pytest.approx(found.speed_up.value / 4)


def test_the_fewest_ranks_need_not_be_one() -> None:
    found = scaling(ratio_across_processes([1.0, 1.0], [1.25, 1.25]), ranks=(2, 4), batches=(64, 128))
    assert found.speed_up.value == pytest.approx(1.6)
    assert found.efficiency.value == pytest.approx(0.8)


def test_losses_and_efficiency_add_up_to_the_whole() -> None:
    """Ideal 1.00 s; the step takes 1.25 s: 0.10 computing, 0.03 skew, 0.12 communication."""
    jobs = [StepParts(step=1.25, compute=1.10, skew=0.03, exposed=0.12)] * 3
    found = losses(jobs, ideal_seconds(1.0, (1, 4), (32, 128)), None)
    assert found.exposed.value == pytest.approx(0.096)
    assert found.skew.value == pytest.approx(0.024)
    assert found.compute.value == pytest.approx(0.08)
    lost = found.exposed.value + found.skew.value + found.compute.value + found.open.value
    assert 1 - lost == pytest.approx(1.0 / 1.25)


def test_the_ideal_of_strong_scaling_shrinks_with_the_ranks() -> None:
    assert ideal_seconds(1.0, (1, 4), (64, 64)) == pytest.approx(0.25)
    assert ideal_seconds(1.0, (1, 4), (64, 256)) == pytest.approx(1.0)


def test_an_interval_needs_two_jobs() -> None:
    one = StepParts(step=1.0, compute=0.9, skew=0.02, exposed=0.08)
    other = StepParts(step=1.1, compute=0.9, skew=0.02, exposed=0.18)
    assert losses([one], 0.9, None).exposed.interval is None
    interval = losses([one, other], 0.9, None).exposed.interval
    assert interval is not None
    assert interval.low < 0.08 < interval.high


@pytest.mark.parametrize(("exposed", "adds_up"), [(0.10, True), (0.14, True), (0.16, False), (0.04, False)])
def test_parts_add_up_within_a_twentieth_of_the_step(exposed: float, adds_up: bool) -> None:
    jobs = [StepParts(step=1.0, compute=0.85, skew=0.05, exposed=exposed)]
    assert parts_add_up(jobs) is adds_up
    assert gap_of(jobs) == pytest.approx(exposed - 0.10)


def test_what_is_too_much_in_one_job_does_not_make_up_for_what_lacks_in_another() -> None:
    jobs = [StepParts(step=1.0, compute=compute, skew=0.0, exposed=0.1) for compute in (1.05, 0.75)]
    assert gap_of(jobs) == pytest.approx(0.0)
    assert apart_of(jobs) == pytest.approx(0.15)
    assert not parts_add_up(jobs)


def test_slower_compute_is_as_unsure_as_the_ideal() -> None:
    """Jobs that are all equal, against a time of the fewest ranks that is known to 10%."""
    found = losses([StepParts(step=2.0, compute=1.5, skew=0.0, exposed=0.5)] * 3, 1.0, (0.9, 1.1)).compute
    assert found.value == pytest.approx(0.25)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.2)
    assert found.interval.high == pytest.approx(0.3)


@pytest.mark.parametrize(("half", "more"), [(0.01, True), (0.05, False)])
def test_of_two_losses_one_is_more_beyond_both_intervals(half: float, more: bool) -> None:
    large, small = (
        Share(value, Interval(value - half, value + half, "across-processes"))
        for value in (0.34, 0.32 - 0.01)
    )
    assert is_more(large, small) is more
    assert not is_more(small, large)


def _rank(quiet: float, step: float = 1.5, pair_step: float = 1.6) -> RankSeconds:
    return RankSeconds(step=[step, step + 0.1], pair_step=[pair_step] * 2, pair_quiet=[quiet, quiet])


def test_planted_parts_of_two_ranks() -> None:
    """The slowest rank's step, the mean rank's computing, the slowest rank's lead, and what is left."""
    found = parts_of([_rank(1.0), _rank(1.2, step=1.4)])
    assert found is not None
    assert found.step == pytest.approx(1.55)
    assert found.compute == pytest.approx(1.1)
    assert found.skew == pytest.approx(0.1)
    assert found.exposed == pytest.approx(1.6 - 1.2)


def test_parts_of_steps_that_scatter_add_up() -> None:
    """Which medians of each step's own parts would not: skew is nothing in most steps, and large in some."""
    one = RankSeconds(step=[1.5, 1.5, 1.9], pair_step=[1.5, 1.5, 1.9], pair_quiet=[1.0, 1.0, 1.4])
    other = RankSeconds(step=[1.5, 1.5, 1.9], pair_step=[1.5, 1.5, 1.9], pair_quiet=[1.0, 1.4, 1.0])
    found = parts_of([one, other])
    assert found is not None
    assert (found.compute, found.skew, found.exposed) == pytest.approx((1.2, 0.2, 0.1))
    assert found.gap == pytest.approx(0.0)


def test_a_step_that_cannot_be_quiet_has_no_parts() -> None:
    one = RankSeconds(step=[1.0], pair_step=[], pair_quiet=[])
    assert parts_of([one, one]) is None
    assert parts_of([]) is None
