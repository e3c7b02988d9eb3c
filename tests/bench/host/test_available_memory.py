"""Free memory: of the machine, within the control groups around a process."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from bench import devices
from bench.contracts.device import Device
from bench.devices.fake import FREE_BYTES, FakeDevice
from bench.host.available_memory import available_bytes

GB = 10**9
STAT = "anon 5\ninactive_file 100\n"
STAT_V1 = "inactive_file 7\ntotal_inactive_file 100\n"


@pytest.mark.parametrize(
    ("membership", "files", "left"),
    [
        ("0::/a/b", {}, 8 * GB),
        ("0::/a/b", {"a/b/memory.max": "max", "a/b/memory.current": "1", "a/b/memory.stat": STAT}, 8 * GB),
        (
            "0::/a/b",
            {"a/b/memory.max": "5000", "a/b/memory.current": "3000", "a/b/memory.stat": STAT},
            2100,
        ),
        (
            "0::/a/b",
            {"a/memory.max": "4000", "a/memory.current": "3000", "a/memory.stat": "anon 5\n"},
            1000,
        ),
        ("0::/a", {"a/memory.max": "4000", "a/memory.current": "9000", "a/memory.stat": STAT}, 0),
        (
            "4:memory:/job\n3:cpu:/m\n0::/",
            {
                "memory/job/memory.limit_in_bytes": "6000",
                "memory/job/memory.usage_in_bytes": "1000",
                "memory/job/memory.stat": STAT_V1,
            },
            5100,
        ),
        (
            "4:memory:/job",
            {
                "memory/job/memory.limit_in_bytes": str(2**63 - 4096),
                "memory/job/memory.usage_in_bytes": "1000",
                "memory/job/memory.stat": STAT_V1,
            },
            8 * GB,
        ),
        ("0::/a", {"a/memory.max": "broken", "a/memory.current": "1", "a/memory.stat": STAT}, 8 * GB),
    ],
)
def test_the_tightest_limit_counts_and_pages_of_files_are_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], left: int
) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    class Memory:
        available = 8 * GB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert available_bytes(tmp_path / "membership", tmp_path / "mounted") == left


@pytest.mark.parametrize(
    "device", [devices.get("cpu"), pytest.param(devices.get("cuda"), marks=pytest.mark.cuda)]
)
def test_a_device_has_free_memory_within_the_machines(device: Device) -> None:
    gpu = device.accelerator()
    total = gpu.memory_bytes if gpu else psutil.virtual_memory().total
    assert 0.01 * total < device.free_memory() <= total


def test_the_fake_device_has_what_is_not_planted() -> None:
    device = FakeDevice()
    device.allocate(100)
    assert device.free_memory() == FREE_BYTES - 100
