"""Samples become the rounds of pytest-benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.pytest_plugin.playback import play


class Fixture:
    """What pytest-benchmark's fixture does with a clock, and the step more that it makes for a profile."""

    def __init__(self) -> None:
        self.data: list[float] = []
        self._timer: Callable[[], float] = lambda: 0.0

    def pedantic(self, target: Callable[[], None], setup: Callable[[], None], rounds: int) -> None:
        for _ in range(rounds):
            setup()
            start = self._timer()
            target()
            self.data.append(self._timer() - start)
        setup()
        target()


def test_each_round_takes_the_seconds_of_a_sample() -> None:
    benchmark = Fixture()
    play(benchmark, [0.25, 0.5, 0.125])
    assert benchmark.data == pytest.approx([0.25, 0.5, 0.125], rel=1e-9)


def test_only_what_comes_after_the_rounds_runs_a_step() -> None:
    run: list[str] = []
    play(Fixture(), [1.0, 2.0], lambda: run.append("setup"), lambda: run.append("step"))
    assert run == ["setup", "step"]
