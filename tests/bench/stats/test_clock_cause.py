"""By the clock, by the code, or not to be known: the rule over planted verdicts and clocks."""

from __future__ import annotations

import pytest

from bench.schema.record import Measurement
from bench.schema.window_clocks import WindowClocks, window_clocks
from bench.stats import verdicts
from bench.stats.clock_cause import Cause, InCycles, cause_of, cycles_of, in_cycles
from bench.stats.verdicts import TimeWord

FAST, SLOW = WindowClocks(1980.0, 2619.0, 0.0), WindowClocks(1755.0, 2619.0, 0.0)
SECONDS = (0.100, 0.101, 0.099, 0.1005, 0.0995)


def compared(
    base: WindowClocks,
    new: WindowClocks,
    factor: float,
    *,
    compute_bound: bool | None = True,
    power_capped: bool = False,
) -> InCycles:
    """NEW takes `factor` times as long; five processes on each side."""
    later = [seconds * factor for seconds in SECONDS]
    cycles = [cycles_of(s, base) for s in SECONDS], [cycles_of(s, new) for s in later]
    return in_cycles(
        verdicts.unpaired(SECONDS, later),
        verdicts.unpaired(*cycles),
        [base] * 5,
        [new] * 5,
        compute_bound=compute_bound,
        power_capped=power_capped,
    )


def test_a_slower_clock_is_the_cause_where_cycles_are_equivalent() -> None:
    found = compared(FAST, SLOW, 1980 / 1755)
    assert (found.cause, found.cycles_verdict) == ("clock", "equivalent")
    assert found.cycles == pytest.approx(1.0)
    assert (found.base_sm_clock, found.new_sm_clock) == pytest.approx((1980.0, 1755.0))
    assert (found.base_memory_clock, found.new_memory_clock) == (2619.0, 2619.0)
    assert compared(SLOW, FAST, 1755 / 1980).cause == "clock", "a faster one too"


def test_the_code_is_the_cause_where_cycles_say_the_same_as_time() -> None:
    found = compared(FAST, FAST, 1.1)
    assert (found.cause, found.cycles_verdict) == ("code", "slower")
    assert compared(FAST, FAST, 0.9, compute_bound=None).cause == "code", "no ceiling is needed for that"


def test_what_does_not_differ_has_no_cause_and_its_clocks_are_told() -> None:
    found = compared(FAST, SLOW, 1.0)
    assert (found.cause, found.cycles_verdict) == (None, "faster")
    assert found.new_sm_clock == pytest.approx(1755.0)


@pytest.mark.parametrize(
    ("new", "compute_bound", "power_capped"),
    [
        (SLOW, False, False),
        (SLOW, None, False),
        (SLOW, True, True),
        (WindowClocks(1755.0, 1593.0, 0.0), True, False),
        (WindowClocks(1755.0, None, 0.0), True, False),
        (WindowClocks(1755.0, 2619.0, 0.125), True, False),
    ],
    ids=["memory-bound", "no ceilings", "power-cap", "memory clock", "memory clock unread", "capped at work"],
)
def test_with_anything_else_in_question_the_cause_is_unknown(
    new: WindowClocks, compute_bound: bool | None, power_capped: bool
) -> None:
    found = compared(FAST, new, 1980 / 1755, compute_bound=compute_bound, power_capped=power_capped)
    assert (found.cause, found.cycles_verdict) == ("unknown", "equivalent")


@pytest.mark.parametrize(
    ("time", "cycles", "cause"),
    [
        ("slower", "slower", "code"),
        ("faster", "faster", "code"),
        ("slower", "faster", "unknown"),
        ("slower", "inconclusive", "unknown"),
        ("faster", "equivalent", "clock"),
        ("equivalent", "slower", None),
        ("inconclusive", "equivalent", None),
    ],
)
def test_every_pair_of_verdicts(time: TimeWord, cycles: TimeWord, cause: Cause | None) -> None:
    found = cause_of(time, cycles, memory_clocks={2619.0}, compute_bound=True, power_capped=False)
    assert found == cause


def test_both_memories_unread_are_not_equal() -> None:
    found = cause_of("slower", "equivalent", memory_clocks={None}, compute_bound=True, power_capped=False)
    assert found == "unknown"


def window(metric: str, *samples: float, windows: list[str] | None = None) -> Measurement:
    names = ["device_time", "wall_time", "host_time"][: len(samples)] if windows is None else windows
    return Measurement(phase="window", metric=metric, unit="MHz", samples=list(samples), windows=names)


def test_each_time_has_the_clocks_of_its_own_window() -> None:
    seen = [
        window("sm_clock", 1980, 1755, 1600),
        window("memory_clock", 2619, windows=["wall_time"]),
        window("power_cap_at_work", 0, 0.5, 0),
    ]
    assert window_clocks(seen, "wall_time") == WindowClocks(1755, 2619, 0.5)
    assert window_clocks(seen, "device_time") == WindowClocks(1980, None, 0.0)


def test_a_clock_that_was_read_at_rest_is_none() -> None:
    """Under its own name, and in records that do not say of which window it is."""
    assert window_clocks([window("sm_clock_at_rest", 345, 345)], "wall_time") is None
    assert window_clocks([window("sm_clock", 345, 345, 345, windows=[])], "wall_time") is None
    assert window_clocks([window("sm_clock", 1980, windows=["device_time"])], "wall_time") is None
