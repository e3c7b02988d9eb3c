"""How much faster our training loop is than a textbook's, at the same accuracy.

    pytest bench/test_training.py --benchmark-only

trains AlexNet as the textbook has it (`alexnet-96` at 224) in the textbook's loop (bench/plain_training.py)
and in ours, in the usual precisions and both layouts: from the same seed, on the same images, for the same
number of steps. All loops of a device run in one process and take turns lap by lap, in random order, so
that drift meets all of them (bench/training_race.py). pytest-benchmark would time one after the other; it
is shown the laps as they were taken. The first lap of each is a warm-up.

The bundled digits are learned, or Fashion-MNIST from the folder that CONVBENCH_DATA names. It takes about
five minutes on two cores, and 4 GB; with `-k "plain or bf16-channels"` less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from tabulate import tabulate

from bench import devices
from bench.contracts.device import Scale
from bench.pytest_plugin import measuring_mode, playback
from bench.pytest_plugin.torch_settings import torch_unchanged
from bench.schema.case import Case
from bench.training_race import COURSES, OURS, PLAIN, SMALL, Result, case_of, run_all, times_as_fast

pytestmark = pytest.mark.slow

Benchmark = Any  # pytest-benchmark has no types

TARGETS: Mapping[Scale, float] = {"small": 1.5, "large": 10.0}
"""How many times as fast as the plain loop ours is to be, in any precision and layout."""


@dataclass(frozen=True)
class Standings:
    """Results by loop, and why the others cannot run here."""

    results: Mapping[str, Result]
    unusable: Mapping[str, str]


@pytest.fixture(scope="module")
def standings(request: pytest.FixtureRequest) -> Iterator[Standings]:
    """The race of one device; its table is printed when all benchmarks of the device are through."""
    full_size = measuring_mode.is_measured(request.config)
    device = devices.get(request.param)
    absent = device.why_absent()
    if absent:
        pytest.skip(absent)
    course = COURSES[device.traits.scale] if full_size else SMALL
    wanted = {name: case_of(name, device.name, course) for name in _wanted(request)}
    reasons = {name: device.why_unusable(case) for name, case in wanted.items()}
    cases = {name: case for name, case in wanted.items() if reasons[name] is None}
    with torch_unchanged(cases[PLAIN]):
        results = run_all(cases, device, course)
    yield Standings(results, {name: reason for name, reason in reasons.items() if reason is not None})
    if full_size:
        _print(request.config, results)


def _wanted(request: pytest.FixtureRequest) -> list[str]:
    """The plain loop, and those of ours whose benchmarks were not left out."""
    parameters = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    asked = {found["loop"] for found in parameters if found["standings"] == request.param}
    return [PLAIN, *(name for name in OURS if name in asked)]


def _print(config: pytest.Config, results: Mapping[str, Result]) -> None:
    plain = results[PLAIN]
    rows = []
    for name, result in results.items():
        ratio = times_as_fast(result, plain)
        interval = ratio.interval
        assert interval is not None
        rows.append(
            (
                name,
                f"{result.images_per_second:.1f}",
                f"{ratio.value:.2f}x",
                f"{interval.low:.2f} to {interval.high:.2f}" if name != PLAIN else "",
                f"{result.loading_share:.1%}",
                f"{result.accuracy:.1%}",
            )
        )
    headers = ("loop", "images/s", "times plain", "95% interval", "loading", "test accuracy")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        reporter.write(f"\n\n{_group(plain.case)}\n{tabulate(rows, headers, disable_numparse=True)}\n")


def _group(case: Case) -> str:
    assert case.task is not None
    return f"training {case.model} {case.image}x{case.image} b{case.batch} {case.device} {case.task.dataset}"


@pytest.mark.parametrize("loop", [PLAIN, *OURS])
@pytest.mark.parametrize(
    "standings",
    [
        pytest.param(each.name, marks=[] if each.traits.is_host else [getattr(pytest.mark, each.name)])
        for each in reversed(devices.candidates())
    ],
    indirect=True,
    scope="module",
)
def test_training(benchmark: Benchmark, standings: Standings, loop: str) -> None:
    if loop in standings.unusable:
        pytest.skip(standings.unusable[loop])
    result, plain = standings.results[loop], standings.results[PLAIN]
    benchmark.group = _group(result.case)
    playback.play(benchmark, [lap.seconds for lap in result.laps])
    info = benchmark.extra_info
    info["case"] = msgspec.to_builtins(result.case)
    info["images"] = result.laps[0].images
    info["images_per_second"] = result.images_per_second
    info["loading_share"] = result.loading_share
    info["test_accuracy"] = result.accuracy
    if loop != PLAIN and len(result.laps) > 1:
        info["times_as_fast"] = msgspec.to_builtins(times_as_fast(result, plain))
        info["target_times_as_fast"] = TARGETS[devices.traits(result.case.device).scale]
