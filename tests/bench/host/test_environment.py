"""The machine as a record names it: cores inside every limit, variables that move timings, the commit."""

from __future__ import annotations

import hmac
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.host import cpu_cores, environment
from bench.schema.record import Environment


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """`describe` is asked once in a process; each test asks anew."""
    environment.describe.cache_clear()
    yield
    environment.describe.cache_clear()


def test_the_machine_is_described_without_torch() -> None:
    code = (
        "import sys, msgspec; from bench.host import environment;"
        "sys.stdout.buffer.write(msgspec.json.encode(environment.describe()));"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    found = msgspec.json.decode(done.stdout, type=Environment)
    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cores_physical >= found.cores_usable >= 1
    assert found.gpu is None
    assert set(found.libraries) >= {"torch", "torchvision", "fvcore"}
    assert found.cpu
    assert found.python == ".".join(map(str, sys.version_info[:3]))


def test_the_libraries_of_nvidia_that_multiply_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"version of {name}")
    assert {"nvidia-cublas", "nvidia-cudnn-cu13"} <= environment.describe().libraries.keys()


def test_only_variables_that_move_timings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compiling = {
        "TORCHINDUCTOR_MAX_AUTOTUNE",
        "TORCHDYNAMO_DISABLE",
        "AOTINDUCTOR_REPRO_LEVEL",
        "AOT_FX_GRAPHS",
        "INDUCTOR_PROVENANCE",
    }
    for name in (
        "OMP_NUM_THREADS",
        "MALLOC_ARENA_MAX",
        "KMP_BLOCKTIME",
        "LD_PRELOAD",
        "CUDA_VISIBLE_DEVICES",
        *compiling,
    ):
        monkeypatch.setenv(name, f"planted {name}")
    for name in ("SECRET_TOKEN", "MY_OMP_NUM_THREADS", "TORCHLIKE"):
        monkeypatch.setenv(name, "not to be told")
    found = environment.describe().variables
    assert found["OMP_NUM_THREADS"] == "planted OMP_NUM_THREADS"
    assert {"MALLOC_ARENA_MAX", "KMP_BLOCKTIME", "LD_PRELOAD", "CUDA_VISIBLE_DEVICES"} | compiling <= set(
        found
    )
    assert "not to be told" not in found.values()


def test_affinity_limits_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {min(os.sched_getaffinity(0))}
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: one)
    assert cpu_cores.usable_cores() == 1


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (3.0, 3), (2.9, 2), (0.5, 1), (64.0, 4)])
def test_a_quota_limits_the_cores(monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int) -> None:
    """Eight logical CPUs on four physical cores, as hyperthreading shows them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(cpu_cores, "_core_of", lambda cpu: ("0", str(cpu % 4)))
    monkeypatch.setattr(cpu_cores, "cgroup_quota", lambda: quota)
    assert cpu_cores.usable_cores() == cores


@pytest.mark.parametrize(
    ("membership", "files", "cpus"),
    [
        ("0::/a/b", {}, None),
        ("0::/a/b", {"a/b/cpu.max": "max 100000"}, None),
        ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3.0),
        ("0::/not/mounted/here", {"cpu.max": "50000 100000"}, 0.5),
        (
            "4:memory:/m\n3:cpu,cpuacct:/job\n0::/",
            {"cpu/job/cpu.cfs_quota_us": "250000", "cpu/job/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "3:cpu,cpuacct:/job\n0::/",
            {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("2:cpuset:/job", {"cpu/job/cpu.cfs_quota_us": "1", "cpu/job/cpu.cfs_period_us": "1"}, None),
        ("0::/a", {"a/cpu.max": "broken"}, None),
    ],
)
def test_the_tightest_control_group_counts(
    tmp_path: Path, membership: str, files: dict[str, str], cpus: float | None
) -> None:
    (tmp_path / "membership").write_text(membership + "\n")
    mounted = tmp_path / "mounted"
    for name, text in files.items():
        (mounted / name).parent.mkdir(parents=True, exist_ok=True)
        (mounted / name).write_text(text + "\n")
    assert cpu_cores.cgroup_quota(tmp_path / "membership", mounted) == cpus


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cpu_cores.cgroup_quota(tmp_path / "missing", tmp_path) is None


def test_the_commit_says_whether_the_checkout_was_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=n", "-c", "user.email=e@x"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert environment._commit(tmp_path) is None
    git("init", "-q")
    assert environment._commit(tmp_path) is None  # nothing committed yet
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "first")
    git("tag", "v1")
    commit = git("rev-parse", "--short=12", "HEAD")
    assert environment._commit(tmp_path) == commit
    (tmp_path / "file").write_text("2")
    assert environment._commit(tmp_path) == f"{commit}-dirty"


def test_the_user_names_the_node_else_slurm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.NODE_NAME, raising=False)
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    assert environment.node_name() is None
    monkeypatch.setenv("SLURMD_NODENAME", "slurm7")
    assert environment.describe().node == "slurm7"
    monkeypatch.setenv(environment.NODE_NAME, "mine")
    assert environment.node_name() == "mine"


def test_the_machine_id_is_kept_as_a_hash_alone(tmp_path: Path) -> None:
    """The hash is that of sd_id128_get_machine_app_specific(3), computed here from its definition."""
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    found = environment.machine_id(file)
    assert found is not None
    kept = bytearray(hmac.digest(bytes.fromhex("0123456789abcdef" * 2), _APPLICATION, "sha256")[:16])
    kept[6] = kept[6] & 0x0F | 0x40
    kept[8] = kept[8] & 0x3F | 0x80
    assert bytes.fromhex(found) == bytes(kept)


_APPLICATION = bytes.fromhex("8f0d3c5e9a414b6ba1d72e64c0b7f935")


@pytest.mark.parametrize("text", ["", "uninitialized\n", "none of these"])
def test_an_image_without_a_machine_id_has_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    assert environment.machine_id(file) is None
    file.write_text(text, encoding="ascii")
    assert environment.machine_id(file) is None
