"""The last cache before the memory, from planted answers of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host.cpu_caches import last_cache_bytes

MIB = 2**20


def cache(cpus: Path, cpu: int, index: int, *, level: int, size: str, shared: str) -> None:
    folder = cpus / f"cpu{cpu}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, value in (("level", level), ("size", size), ("shared_cpu_list", shared)):
        (folder / name).write_text(f"{value}\n")


@pytest.fixture
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})


@pytest.mark.usefixtures("two_cpus")
def test_a_cache_that_all_share_counts_once(tmp_path: Path) -> None:
    for cpu in (0, 1):
        cache(tmp_path, cpu, 0, level=1, size="32K", shared=str(cpu))
        cache(tmp_path, cpu, 3, level=3, size="32768K", shared="0-1")
        cache(tmp_path, cpu, 2, level=2, size="512K", shared=str(cpu))
    assert last_cache_bytes(tmp_path) == 32 * MIB


@pytest.mark.usefixtures("two_cpus")
def test_caches_of_groups_of_cores_add_up(tmp_path: Path) -> None:
    for cpu in (0, 1):
        cache(tmp_path, cpu, 0, level=2, size="2M", shared=str(cpu))
    assert last_cache_bytes(tmp_path) == 4 * MIB


@pytest.mark.usefixtures("two_cpus")
@pytest.mark.parametrize("size", ["0K", "unknown", ""])
def test_what_the_kernel_does_not_say_is_not_made_up(tmp_path: Path, size: str) -> None:
    assert last_cache_bytes(tmp_path) is None
    cache(tmp_path, 0, 0, level=3, size=size, shared="0")
    assert last_cache_bytes(tmp_path) is None
