"""Every second of a stopwatch belongs to one thing, and all of them add up."""

from __future__ import annotations

import contextlib
import math

import pytest

from bench.forkserver.stopwatch import Stopwatch


class _Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_seconds_belong_to_what_is_innermost_and_add_up() -> None:
    clock = _Clock()
    watch = Stopwatch(clock)
    clock.now += 1
    with watch.on("building"):
        clock.now += 2
        with watch.on("probing"):
            clock.now += 4
        clock.now += 8
    clock.now += 16
    assert watch.read() == {"rest": 17, "building": 10, "probing": 4}


def test_what_fails_has_its_seconds_too() -> None:
    clock = _Clock()
    watch = Stopwatch(clock)
    with contextlib.suppress(ValueError), watch.on("measuring"):
        clock.now += 3
        raise ValueError
    clock.now += 1
    assert watch.read() == {"measuring": 3, "rest": 1}


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (2, {"measuring": 3, "warming-up": 2}),
        (math.inf, {"warming-up": 5}),
        (-1, {"measuring": 5}),
    ],
)
def test_no_more_is_moved_than_there_is(moved: float, expected: dict[str, float]) -> None:
    clock = _Clock()
    watch = Stopwatch(clock)
    with watch.on("measuring"):
        clock.now += 5
    watch.move(moved, "measuring", "warming-up")
    assert watch.read() == expected


def test_laps_add_up_to_the_whole() -> None:
    clock = _Clock()
    watch = Stopwatch(clock)
    clock.now += 2
    with watch.on("starting"):
        clock.now += 3
        assert watch.lap() == {"rest": 2, "starting": 3}
        clock.now += 4
    assert watch.lap() == {"starting": 4}
    assert watch.lap() == {}
