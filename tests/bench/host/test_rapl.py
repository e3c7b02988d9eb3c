"""RAPL's counters in a planted folder of the kernel's: packages are summed, wraps undone, refusals told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host.rapl import NO_POWER, RaplCounter

RANGE = 262_143_328_850
"""Microjoules after which an Intel package begins again."""


def zone(folder: Path, number: str, name: str, microjoules: int = 0) -> Path:
    path = folder / number
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE}\n")
    count(path, microjoules)
    return path


def count(path: Path, microjoules: int) -> None:
    (path / "energy_uj").write_text(f"{microjoules}\n")


def test_the_packages_are_summed_and_nothing_twice(tmp_path: Path) -> None:
    packages = [zone(tmp_path, "intel-rapl:0", "package-0", 5), zone(tmp_path, "intel-rapl:1", "package-1")]
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core"),
        zone(tmp_path, "intel-rapl:0:1", "dram"),
        zone(tmp_path, "intel-rapl:2", "psys"),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0"),
    ]
    counter = RaplCounter(tmp_path)
    assert counter.joules() == 0
    for path in others:
        count(path, 9_000_000_000)
    count(packages[0], 1_500_005)
    count(packages[1], 2_000_000)
    assert counter.joules() == pytest.approx(3.5, rel=1e-12)
    assert counter.why_absent is None


def test_counters_that_wrap_go_on_each_on_its_own(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 10)
    counter = RaplCounter(tmp_path)
    seen = [counter.joules()]
    for one, two in ((500_000, 10), (500_000, 10), (700_000, 2_000_010), (300_000, 2_000_010)):
        count(first, one)
        count(second, two)
        seen.append(counter.joules())
    whole = RANGE / 1e6
    assert seen == pytest.approx([0, 1.5, 1.5, 3.7, 3.7 + whole - 0.4])


def test_a_machine_without_rapl_says_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        counter = RaplCounter(folder)
        assert counter.joules() is None
        assert counter.why_absent == "no RAPL: /sys/class/powercap names no package of the processor"


def test_what_only_root_may_read_is_not_permitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    read = Path.read_text

    def refuse(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_text", refuse)
    counter = RaplCounter(tmp_path)
    assert counter.why_absent is None
    assert counter.joules() is None
    assert counter.why_absent == "not permitted: RAPL under /sys/class/powercap can be read by root alone"


def test_a_counter_that_is_lost_stays_absent_though_it_comes_back(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", 7)
    counter = RaplCounter(tmp_path)
    assert counter.joules() == 0
    (path / "energy_uj").unlink()
    assert counter.joules() is None
    count(path, 9)
    assert counter.joules() is None
    assert counter.why_absent is not None
    assert counter.why_absent.startswith("RAPL cannot be read")


@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj"])
def test_what_is_no_number_is_no_energy(tmp_path: Path, file: str) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0") / file).write_text("much")
    counter = RaplCounter(tmp_path)
    assert counter.joules() is None
    assert counter.why_absent is not None
    assert "much" in counter.why_absent


def test_power_is_not_told_and_there_is_a_reason(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    counter = RaplCounter(tmp_path)
    counter.watts()
    assert counter.why_no_power == NO_POWER
