"""Who else used the processor: planted counters, and those of a neighbour that is really there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts.monitor import AT_REST, WindowReadings
from bench.host import contention, processor_time
from bench.host.contention import ContentionMonitor, Reading, Window
from bench.host.processor_time import Ticks

START = Reading(
    wall_seconds=100.0,
    process_seconds=7.0,
    involuntary_switches=40,
    load_average=0.3,
    ticks=Ticks(stolen=500, total=10_000, busy=6_000, cores=2),
    family_seconds=3.0,
)


def after(seconds: float, **changed: int | float) -> Reading:
    """START after so long; of `ticks` what is `stolen`, `total` and `busy` more."""
    assert START.ticks is not None
    ticks = replace(
        START.ticks,
        **{name: getattr(START.ticks, name) + changed.pop(name, 0) for name in ("stolen", "total", "busy")},
    )
    moved = {name: getattr(START, name) + more for name, more in changed.items()}
    return replace(START, wall_seconds=100.0 + seconds, ticks=ticks, **moved)


def facts(window: Window) -> dict[str, float]:
    measured = list(window.measured())
    assert {m.phase for m in measured} == {"window"}
    return {m.metric: m.samples[0] for m in measured}


def test_the_shares_of_a_window() -> None:
    """10 s of 2 threads: 20 s to have, of which 15 s were used, 0.5 s by the family; busy were 18 s."""
    end = after(10, process_seconds=15, family_seconds=0.5, involuntary_switches=5, load_average=1.4)
    end = replace(end, ticks=Ticks(stolen=505, total=12_000, busy=7_800, cores=2))
    assert facts(Window(START, end, threads=2)) == pytest.approx(
        {
            "cpu_utilisation": 0.75,
            "involuntary_switches": 5,
            "steal_share": 0.0025,
            "others_share": 2.5 / 20,
            "load_average": 1.7,
        }
    )


@pytest.mark.parametrize(("stolen", "labelled"), [(0, False), (10, False), (11, True), (500, True)])
def test_more_than_one_percent_of_steal_is_labelled(stolen: int, labelled: bool) -> None:
    window = Window(START, after(1, stolen=stolen, total=1_000), threads=1)
    assert [warning.label for warning in window.stolen()] == ["steal"] * labelled


@pytest.mark.parametrize(("others", "labelled"), [(0, False), (100, False), (104, False), (105, True)])
def test_more_than_a_tenth_of_the_threads_time_is_contended(others: int, labelled: bool) -> None:
    """5 s of 2 threads are 1,000 ticks: a tenth of them, and two for each thread that prove nothing."""
    window = Window(START, after(5, process_seconds=9.0, busy=900 + others), threads=2)
    assert [warning.label for warning in window.contended()] == ["contended"] * labelled
    assert facts(window)["others_share"] == pytest.approx(others / 1_000)


def test_a_short_window_is_not_labelled_for_what_rounding_may_add() -> None:
    """30 ms of one thread: two ticks of 10 ms are 67% of it, and may be no one's."""
    busy = 3 + 2
    window = Window(START, after(0.03, process_seconds=0.03, busy=busy), threads=1)
    assert facts(window)["others_share"] == pytest.approx(2 / 3)
    assert not list(window.contended())


def test_the_sentence_of_a_contended_case() -> None:
    window = Window(START, after(10, process_seconds=10, busy=1_680), threads=2)
    (label,) = window.contended()
    assert label.detail == "other programs took 34% of the time of the 2 threads"


def test_a_quota_over_many_cores_meets_their_mean_load() -> None:
    """2 of 64 cores are granted, and others keep 3 busy: each thread meets 3/64 of a core, not 150%."""
    wide = replace(START, ticks=Ticks(0, 0, 0, cores=64))
    end = replace(wide, wall_seconds=110.0, process_seconds=27.0, ticks=Ticks(0, 64_000, 5_000, cores=64))
    assert facts(Window(wide, end, threads=2, quota=2.0))["others_share"] == pytest.approx(3 / 64)
    assert facts(Window(wide, end, threads=2))["others_share"] == pytest.approx(1.5)


def test_an_empty_window_has_no_shares() -> None:
    assert facts(Window(START, START, threads=1))["steal_share"] == 0
    assert facts(Window(START, START, threads=1))["others_share"] == 0


def test_counters_that_fall_give_no_negative_share() -> None:
    """As idle time does on some kernels, and as all of a core does that went offline."""
    end = after(1, stolen=-20, busy=-500)
    found = facts(Window(START, end, threads=2))
    assert (found["steal_share"], found["others_share"]) == (0, 0)


STAT = """cpu  130 20 30 4000 5 6 7 80 90 10
cpu0 100 10 20 1000 5 1 2 40 80 0
cpu1 20 5 5 2000 0 2 3 40 5 5
cpu2 10 5 5 1000 0 3 2 0 5 5
intr 1 2 3
"""


@pytest.fixture
def stat(tmp_path: Path) -> Path:
    path = tmp_path / "stat"
    path.write_text(STAT)
    return path


@pytest.mark.parametrize(
    ("usable", "busy", "cores"),
    [
        ({0}, 100 + 10 + 20 + 1 + 2, 1),
        ({0, 2}, 133 + 10 + 5 + 5 + 3 + 2, 2),
        (set(), 133 + 35 + 25, 3),
        ({4, 5}, 133 + 35 + 25, 3),  # a container that numbers its cores anew
    ],
)
def test_only_the_usable_cores_are_busy_for_us(stat: Path, usable: set[int], busy: int, cores: int) -> None:
    """user nice system idle iowait irq softirq steal guest guest_nice: guests are in the first two."""
    total = 130 + 20 + 30 + 4000 + 5 + 6 + 7 + 80
    expected = Ticks(stolen=80, total=total, busy=busy, cores=cores)
    assert processor_time.read_ticks(stat, usable) == expected


def test_a_kernel_without_steal_or_lines_of_cores(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000\n")
    assert processor_time.read_ticks(stat, {0}) == Ticks(stolen=0, total=4150, busy=150, cores=1)


def planted(stat: Path, seconds: float, text: str, threads: int, is_host: bool = True) -> WindowReadings:
    """What a monitor says of a window so long, at whose end the kernel's file has this text."""
    now = iter([0.0, 0.0, seconds])
    monitor = ContentionMonitor(threads, is_host=is_host, stat=stat, clock=lambda: next(now))
    monitor.before()
    stat.write_text(text)
    monitor.end()
    return monitor.after(AT_REST)


def test_a_neighbour_in_the_kernels_file_labels_a_processors_window_and_no_gpus(
    stat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 s, in which core 0 was busy for 60 s more, and this process hardly was."""
    monkeypatch.setattr(contention, "usable_processors", lambda: frozenset({0}))
    busy = STAT.replace("cpu0 100", "cpu0 6100").replace("cpu1 20", "cpu1 9020")
    found = planted(stat, 100.0, busy, threads=1)
    assert [label.label for label in found.labels] == ["contended"]
    assert found.disturbed is None  # a neighbour outlasts a window: taking it again would only cost time
    (share,) = (m.samples[0] for m in found.measurements if m.metric == "others_share")
    assert share == pytest.approx(0.6, abs=0.02)

    stat.write_text(STAT)
    assert planted(stat, 100.0, busy, threads=1, is_host=False).labels == ()


def test_a_window_keeps_its_length_when_the_machines_clock_is_set(
    stat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall time of a window is that of a clock that nobody sets."""
    monitor = ContentionMonitor(threads=1, stat=stat)
    monitor.before()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monitor.end()
    (use,) = (m for m in monitor.after(AT_REST).measurements if m.metric == "cpu_utilisation")
    assert 0 <= use.samples[0] < 10


@pytest.mark.parametrize("text", [None, "", "no processor here\n", "cpu  a b c\n"])
def test_a_machine_that_does_not_say_has_no_shares_and_says_so(tmp_path: Path, text: str | None) -> None:
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    monitor = ContentionMonitor(threads=1, is_host=True, stat=stat)
    monitor.before()
    monitor.end()
    found = monitor.after(AT_REST)
    assert {m.metric for m in found.measurements} == {
        "cpu_utilisation",
        "involuntary_switches",
        "load_average",
    }
    assert [label.label for label in found.labels] == ["no-others"]
    assert str(stat) in found.labels[0].detail


SPIN = "import time\nprint(flush=True)\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass\n"


@contextmanager
def spinning(start_new_family: bool) -> Iterator[None]:
    """A process that keeps a core busy: a child of this one, or one that has been given away."""
    command = [sys.executable, "-c", SPIN]
    if start_new_family:  # the shell ends at once, and its child is nobody's of ours
        command = ["sh", "-c", f'{sys.executable} -c "$0" & echo $!', SPIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline() or process.pid) if start_new_family else process.pid
        process.stdout.readline()
        try:
            yield
        finally:
            os.kill(pid, 9)


def busy_and_ours(seconds: float) -> tuple[float, float]:
    """Of a real window, in s: what the usable cores did, and what this process and its family did."""
    usable = processor_time.usable_processors()
    start = processor_time.read_ticks(usable=usable).busy
    ours = processor_time.own_seconds() + processor_time.family_seconds()
    time.sleep(seconds)
    busy = (processor_time.read_ticks(usable=usable).busy - start) * processor_time.TICK_SECONDS
    return busy, processor_time.own_seconds() + processor_time.family_seconds() - ours


@pytest.mark.parametrize("foreign", [True, False])
def test_a_spinning_neighbour_is_others_and_a_spinning_child_is_ours(foreign: bool) -> None:
    """On however busy a machine a spinner gets its share of a core within half a second, and what else runs
    there is others' too: so this cannot fail by chance, as a test of a quiet window could."""
    with spinning(start_new_family=foreign):
        busy, ours = busy_and_ours(0.5)
    assert (busy - ours if foreign else ours) > 0.05


def test_work_of_this_process_is_seen() -> None:
    before = processor_time.own_seconds()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert processor_time.own_seconds() - before == pytest.approx(0.1, abs=0.05)
