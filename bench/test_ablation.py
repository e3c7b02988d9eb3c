"""A block and its stack by the harness, beside a loop written by hand: both must tell the same ratio.

pytest bench/test_ablation.py --benchmark-only
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from bench.plan import ablations, expand
from bench.pytest_plugin.convbench_fixture import Convbench
from bench.runner import execute as runner
from bench.schema.case import Case, MeasurementProtocol
from bench.stats.estimates import Interval, within_process
from models.blocks import block_name
from reports.ablations.form_pairs import timed_pairs
from reports.summary.pooling import summarise

if TYPE_CHECKING:  # collecting benchmarks imports no torch
    import torch
    from torch import nn

pytestmark = pytest.mark.slow

Benchmark = Any  # pytest-benchmark has no types

CHANNELS, KERNEL, STACK = 64, "5x5", "3x3-relu-3x3"
AGREE = 1.25
"""How far the two ratios may lie apart beyond what their own intervals allow, as a factor."""
FULL = Case(
    model=block_name(CHANNELS, KERNEL),
    workload="training",
    batch=2,
    image=28,
    channels=CHANNELS,
    classes=CHANNELS,
    threads=1,  # several would wait for whoever else uses the machine, and not by the same share
)
CAREFUL = MeasurementProtocol(warmup_seconds=0.5, warmup_limit_seconds=3.0, sampling_seconds=1.5)
HASTY = MeasurementProtocol(
    warmup_steps=1, warmup_seconds=0.0, warmup_limit_seconds=0.01, sampling_seconds=0.01, min_samples=6
)


def by_hand(case: Case, rounds: int) -> tuple[float, Interval]:
    """Stack over single, by steps that alternate between the two in this process."""
    import torch
    from torch import nn

    single = nn.Conv2d(CHANNELS, CHANNELS, 5, padding=2)
    stack = nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    )
    images = torch.randn(case.batch, CHANNELS, case.image, case.image, requires_grad=True)
    gradient = torch.randn_like(images)
    takes: list[Callable[[], float]] = [_stepper(module, images, gradient) for module in (single, stack)]
    for take in takes * 3:
        take()
    ratios = sorted(1 / (takes[0]() / takes[1]()) for _ in range(rounds))
    interval = within_process(ratios)
    assert interval is not None
    return ratios[len(ratios) // 2], interval


def _stepper(module: nn.Module, images: torch.Tensor, gradient: torch.Tensor) -> Callable[[], float]:
    import torch

    # a fixed gradient of the output is no descent: at a usual rate the stack's weights would grow to NaN
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-20, momentum=0.9)

    def take() -> float:
        """Seconds of one step."""
        optimizer.zero_grad(set_to_none=True)
        images.grad = None
        start = time.perf_counter()
        module(images).backward(gradient)
        optimizer.step()
        return time.perf_counter() - start

    return take


def by_harness(
    case: Case, protocol: MeasurementProtocol, replicates: int, folder: Path
) -> tuple[float, Interval | None]:
    """Stack over single, by the records of `ablate`."""
    once = [case, structs.replace(case, model=block_name(CHANNELS, STACK))]
    result = runner.run_plan(
        expand.interleave_replicates(once, replicates),
        protocol,
        folder,
        resume=False,
        budget_seconds=None,
        on_progress=lambda event: None,
    )
    assert result.statuses == {"ok": 2 * replicates}
    found = ablations.find("kernels", ablations.sizes("small"), level="block")
    comparisons = [comparison for ablation in found for comparison in ablation.comparisons]
    [sides] = timed_pairs(summarise([folder]).figures, comparisons)
    ratio = sides.ratio("step")
    assert ratio is not None
    return ratio.value, ratio.interval


def test_a_loop_by_hand_tells_the_same_ratio(
    benchmark: Benchmark, convbench: Convbench, tmp_path: Path
) -> None:
    """The time is that of the loop by hand; without `--benchmark-only` both only have to work."""
    import torch

    full_size = convbench.is_measured
    case = FULL if full_size else structs.replace(FULL, batch=1, image=4)
    threads = torch.get_num_threads()
    torch.set_num_threads(case.threads)
    try:
        hand, around = benchmark.pedantic(by_hand, args=(case, 60 if full_size else 6), rounds=1)
    finally:
        torch.set_num_threads(threads)
    protocol, replicates = (CAREFUL, 3) if full_size else (HASTY, 1)
    harness, interval = by_harness(case, protocol, replicates, tmp_path / "run")
    benchmark.extra_info |= {"ratio_by_hand": hand, "ratio_by_harness": harness}
    assert hand > 0
    assert harness > 0
    if full_size:
        # on a busy machine both intervals are wide, and so is what may lie between the two
        assert interval is not None
        noise = math.log(around.high / around.low) + math.log(interval.high / interval.low)
        assert abs(math.log(hand / harness)) < math.log(AGREE) + noise
