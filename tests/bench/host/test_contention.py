"""Who else used the processor: planted counters, and this process's own."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.host import contention
from bench.host.contention import Reading

START = Reading(
    wall_seconds=100.0,
    process_seconds=7.0,
    involuntary_switches=40,
    steal_ticks=500,
    all_ticks=10_000,
    load_average=0.3,
)


def facts(after: Reading, threads: int) -> dict[str, float]:
    measured, _ = contention.between(START, after, threads)
    assert {m.phase for m in measured} == {"window"}
    return {m.metric: m.samples[0] for m in measured}


def test_the_shares_of_a_window() -> None:
    after = Reading(
        wall_seconds=110.0,
        process_seconds=22.0,
        involuntary_switches=45,
        steal_ticks=505,
        all_ticks=12_000,
        load_average=1.7,
    )
    assert facts(after, threads=2) == pytest.approx(
        {
            "cpu_utilisation": 0.75,
            "involuntary_switches": 5,
            "steal_share": 0.0025,
            "load_average": 1.7,
        }
    )


@pytest.mark.parametrize(("stolen", "labelled"), [(0, False), (10, False), (11, True), (500, True)])
def test_more_than_one_percent_of_steal_is_labelled(stolen: int, labelled: bool) -> None:
    after = replace(START, wall_seconds=101.0, steal_ticks=500 + stolen, all_ticks=11_000)
    _, labels = contention.between(START, after, threads=1)
    assert [warning.label for warning in labels] == ["steal"] * labelled


def test_an_empty_window_has_no_shares() -> None:
    assert facts(START, threads=1)["steal_share"] == 0


def test_the_kernels_file_is_read_with_the_guests_counted_once(tmp_path: Path) -> None:
    """user nice system idle iowait irq softirq steal guest guest_nice: guests are in the first two."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000 5 6 7 80 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    reading = contention.read(stat)
    assert (reading.steal_ticks, reading.all_ticks) == (80, 100 + 20 + 30 + 4000 + 5 + 6 + 7 + 80)


def test_a_kernel_without_steal(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000\n")
    reading = contention.read(stat)
    assert (reading.steal_ticks, reading.all_ticks) == (0, 4150)


def test_work_of_this_process_is_seen() -> None:
    before = contention.read()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = contention.read()
    assert after.process_seconds - before.process_seconds == pytest.approx(0.1, abs=0.05)
    assert after.wall_seconds > before.wall_seconds
