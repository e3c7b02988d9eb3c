"""Bandwidths by nccl-tests' documented formulas, and the time of a step's messages."""

from __future__ import annotations

import pytest

from bench.schema.ranks import Collective, LinkSamples, Traffic
from bench.stats.link_arithmetic import (
    algorithm_bandwidth,
    bus_bandwidth,
    ceilings_of,
    hops,
    message_seconds,
    sent_bytes,
    total_message_seconds,
)

GB = 1e9


@pytest.mark.parametrize(
    ("collective", "ranks", "bus"),
    [
        ("all-reduce", 2, 1.0),
        ("all-reduce", 8, 2 * 7 / 8),
        ("all-gather", 8, 7 / 8),
        ("reduce-scatter", 8, 7 / 8),
        ("broadcast", 8, 1.0),
        ("point-to-point", 2, 1.0),
    ],
)
def test_bus_bandwidth_is_that_of_nccl_tests(collective: Collective, ranks: int, bus: float) -> None:
    assert algorithm_bandwidth(2 * GB, 0.5) == 4 * GB
    assert bus_bandwidth(collective, ranks, 2 * GB, 0.5) == pytest.approx(4 * GB * bus)


def test_the_row_that_the_reference_program_prints() -> None:
    """all_reduce_perf on 2 GPUs printed: 16384 bytes, 10.78 us, 1.52 GB/s, 1.52 GB/s on the bus."""
    assert algorithm_bandwidth(16384, 10.78e-6) / GB == pytest.approx(1.52, abs=0.005)
    assert bus_bandwidth("all-reduce", 2, 16384, 10.78e-6) / GB == pytest.approx(1.52, abs=0.005)


def test_a_ceiling_is_the_best_size_and_the_latency_the_smallest() -> None:
    sweep = [
        LinkSamples(collective="all-reduce", backend="gloo", ranks=4, message_bytes=size, seconds=seconds)
        for size, seconds in ((1024, (1e-4, 3e-4, 2e-4)), (1 << 20, (1e-3,)), (1 << 24, (2e-2,)))
    ]
    (found,) = ceilings_of(sweep)
    assert found.latency == 2e-4
    assert found.at_bytes == 1 << 20
    assert found.bus_bandwidth == pytest.approx((1 << 20) / 1e-3 * 1.5)


def test_samples_of_several_jobs_are_one_sweep() -> None:
    one = LinkSamples(collective="broadcast", backend="gloo", ranks=2, message_bytes=8, seconds=(1.0,))
    other = LinkSamples(collective="broadcast", backend="gloo", ranks=2, message_bytes=8, seconds=(3.0,))
    (found,) = ceilings_of([one, other])
    assert found.latency == 2.0


def test_of_broadcasts_by_all_ranks_in_turn_each_passes_on_all_but_one_part() -> None:
    """Two ranks of which each broadcasts 100 bytes: each sends 100, and together they take the time of
    200."""
    sweep = [
        LinkSamples(collective="broadcast", backend="gloo", ranks=2, message_bytes=size, seconds=(seconds,))
        for size, seconds in ((8, 1e-6), (10**9, 1.0))
    ]
    activations = Traffic(what="activations", collective="broadcast", message_bytes=200, calls=2)
    assert sent_bytes(activations, 2) == 100
    assert message_seconds(activations, ceilings_of(sweep)[0], 2) == pytest.approx(2e-6 + 200 / 1e9)


def test_a_message_takes_latency_by_hops_and_bytes_by_bandwidth() -> None:
    sweep = [
        LinkSamples(collective="all-reduce", backend="nccl", ranks=4, message_bytes=8, seconds=(6e-6,)),
        LinkSamples(collective="all-reduce", backend="nccl", ranks=4, message_bytes=10**9, seconds=(0.015,)),
    ]
    (ceiling,) = ceilings_of(sweep)  # 1e-6 s a hop, 100 GB/s on the bus
    gradients = Traffic(what="gradients", collective="all-reduce", message_bytes=4 * 10**8, calls=3)
    assert hops("all-reduce", 8) == 14
    assert sent_bytes(gradients, 8) == pytest.approx(4e8 * 14 / 8)
    assert message_seconds(gradients, ceiling, 8) == pytest.approx(3 * 14e-6 + 7e8 / 1e11)
    assert total_message_seconds([gradients, gradients], {"all-reduce": ceiling}, 8) == pytest.approx(
        2 * message_seconds(gradients, ceiling, 8)
    )
    assert total_message_seconds([gradients], {}, 8) is None
