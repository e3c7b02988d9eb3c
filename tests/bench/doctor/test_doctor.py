"""The doctor on planted machines: findings from files, variables and a driver whose answers are known."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import doctor
from bench.doctor import Finding, Machine
from bench.host import locked_clocks
from bench.host.nvml import POWER_CAP
from bench.schema.finding import Status
from bench.schema.gpu_identity import EccErrors, PcieLink, RemappedRows
from models.errors import UserError
from reports import formats
from reports.pages import doctor_report as reporting
from tests.planted.commands import Command
from tests.planted.fake_nvml import FakeGpu, FakeNvml, no_driver

GOVERNOR = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"
NO_TURBO = "sys/devices/system/cpu/intel_pstate/no_turbo"
BOOST = "sys/devices/system/cpu/cpufreq/boost"
QUIET = {
    "proc/stat": "cpu  100 0 0 900 0 0 0 0\n",
    "proc/loadavg": "0.08 0.40 0.90 1/100 4242\n",
    "proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 25165824 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
    "proc/cpuinfo": "flags : fpu sse avx512f\n",
    "proc/1/cgroup": "0::/init.scope\n",
    "proc/self/cgroup": "0::/user\n",
    "sys/fs/cgroup/user/cpu.max": "max 100000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    GOVERNOR: "performance\n",
    NO_TURBO: "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/bus/pci/devices/0000:3b:00.0/numa_node": "1\n",
    "headers/Python.h": "",
}
"""A machine with nothing to complain about."""


def machine(root: Path, files: Mapping[str, str | None] = {}, **changes: Any) -> Machine:
    """QUIET with these files instead (None: without the file) and these fields changed."""
    for name, content in (QUIET | dict(files)).items():
        if content is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
    quiet = Machine(
        root=root,
        environ={},
        cores=4,
        cpus=8,
        open_nvml=FakeNvml,
        which=lambda name: f"/usr/bin/{name}",
        version=lambda package: "1.2.3",
        torch_cuda=lambda: "13.0",
        foreign_packages=tuple,
        mixed_packages=tuple,
        python_headers=root / "headers",
        sleep=lambda seconds: None,
    )
    return replace(quiet, **changes)


def found(at: Machine, name: str, device: str = "auto") -> Finding:
    (finding,) = [finding for finding in doctor.examine(device, at) if finding.name == name]
    return finding


def test_a_quiet_machine_has_no_warnings(tmp_path: Path) -> None:
    findings = doctor.examine("auto", machine(tmp_path))
    assert [f.name for f in findings if f.status != "ok"] == []
    assert len(findings) == 33


@pytest.mark.parametrize(
    ("name", "files", "status", "words"),
    [
        ("cpu governor", {GOVERNOR: "powersave"}, "warn", "powersave"),
        ("turbo", {NO_TURBO: "0"}, "warn", "on"),
        (
            "turbo",
            {NO_TURBO: None, BOOST: "1"},
            "warn",
            "on",
        ),
        (
            "turbo",
            {NO_TURBO: None, BOOST: "0"},
            "ok",
            "off",
        ),
        ("load", {"proc/loadavg": "0.49 0 0 1/1 1"}, "ok", "0.49 over the last minute, 8 logical CPUs"),
        ("load", {"proc/loadavg": "0.50 0 0 1/1 1"}, "warn", "0.50 over the last minute, 8 logical CPUs"),
        ("cpu quota", {"sys/fs/cgroup/user/cpu.max": "250000 100000"}, "warn", "2.5 CPUs of 8"),
        ("cpu quota", {"sys/fs/cgroup/user/cpu.max": "800000 100000"}, "ok", "8 CPUs of 8"),
        ("cpu quota", {}, "ok", "none"),
        ("virtual machine", {"proc/cpuinfo": "flags : fpu hypervisor"}, "warn", "yes"),
        (
            "virtual machine",
            {"proc/cpuinfo": "flags : hypervisor", "sys/class/dmi/id/product_name": "KVM"},
            "warn",
            "KVM",
        ),
        ("container", {".dockerenv": ""}, "ok", "yes"),
        ("container", {"proc/1/cgroup": "0::/kubepods/pod1"}, "ok", "yes"),
        ("container", {}, "ok", "no"),
        (
            "memory",
            {"proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 8388607 kB"},
            "warn",
            "8.0 of 32.0 GiB available",
        ),
        (
            "memory",
            {"proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 8388608 kB"},
            "ok",
            "8.0 of 32.0 GiB available",
        ),
        (
            "memory",
            {"proc/meminfo": "MemTotal: 8388608 kB\nMemAvailable: 4194303 kB"},
            "warn",
            "4.0 of 8.0 GiB available",
        ),
        (
            "swap",
            {"proc/meminfo": "SwapTotal: 8388608 kB\nSwapFree: 6291456 kB"},
            "warn",
            "2.0 of 8.0 GiB used",
        ),
        ("transparent huge pages", {}, "ok", "madvise"),
        ("C++ compiler", {"headers/Python.h": None}, "warn", "Python.h"),
    ],
)
def test_planted_files(
    tmp_path: Path, name: str, files: dict[str, str | None], status: str, words: str
) -> None:
    finding = found(machine(tmp_path, files), name)
    assert finding.status == status
    assert finding.found.endswith(words)
    assert finding.status == "ok" or finding.advice


def test_a_kernel_that_says_nothing_leaves_it_unknown(tmp_path: Path) -> None:
    findings = doctor.examine("cpu", machine(tmp_path, dict.fromkeys(QUIET)))
    unknown = [finding.name for finding in findings if finding.status == "unknown"]
    assert unknown == [
        "cpu governor",
        "turbo",
        "stolen time",
        "load",
        "virtual machine",
        "memory",
        "swap",
        "transparent huge pages",
    ]


@pytest.mark.parametrize(("stolen", "status"), [(10, "ok"), (11, "warn")])
def test_time_stolen_while_the_doctor_watches(tmp_path: Path, stolen: int, status: str) -> None:
    """10 of 1000 ticks are the 1% that a window may lose."""
    waited = []

    def pass_time(seconds: float) -> None:
        waited.append(seconds)
        (tmp_path / "proc/stat").write_text(f"cpu  {1100 - stolen} 0 0 900 0 0 0 {stolen}\n")

    finding = found(machine(tmp_path, sleep=pass_time), "stolen time")
    assert (finding.status, finding.found) == (status, f"{stolen / 10:.1f}% within 0.5 s")
    assert waited == [0.5]


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"OMP_NUM_THREADS": "4"}, "ok"),
        ({"OMP_NUM_THREADS": "5"}, "warn"),
        ({"MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "64"}, "warn"),
        ({"OMP_NUM_THREADS": "4,2"}, "ok"),
    ],
)
def test_more_threads_than_cores(tmp_path: Path, environ: dict[str, str], status: str) -> None:
    finding = found(machine(tmp_path, environ=environ), "threads")
    assert finding.status == status
    assert all(f"{name}={value}" in finding.found for name, value in environ.items())


def test_a_missing_compiler_is_the_one_that_cxx_names(tmp_path: Path) -> None:
    at = machine(tmp_path, which=lambda name: None)
    assert found(at, "C++ compiler").found == "no g++"
    assert found(replace(at, environ={"CXX": "clang++"}), "C++ compiler").found == "no clang++"


def test_a_missing_package(tmp_path: Path) -> None:
    at = machine(tmp_path, version=lambda package: None if package == "torchvision" else "2.15.0")
    assert found(at, "torch").found == "2.15.0"
    finding = found(at, "torchvision")
    assert (finding.status, finding.found) == ("warn", "not installed")


RESTING = "generation 1 of 5, width 16 of 16, at rest"
WAITING = "0, and one pending a reset"


def ecc_errors(corrected: int, uncorrected: int) -> EccErrors:
    """All since the driver was loaded."""
    return EccErrors(
        corrected_volatile=corrected,
        uncorrected_volatile=uncorrected,
        corrected_aggregate=corrected,
        uncorrected_aggregate=uncorrected,
    )


def replaced(rows: int = 0, pending: bool = False, failed: bool = False) -> RemappedRows:
    return RemappedRows(correctable=rows, uncorrectable=0, pending=pending, failed=failed)


def link(generation: int, width: int) -> PcieLink:
    return PcieLink(generation=generation, width=width, max_generation=5, max_width=16)


@pytest.mark.parametrize(
    ("name", "gpu", "status", "words"),
    [
        ("gpu processes", FakeGpu(pids=[77, 88]), "warn", "pid 77, 88"),
        (
            "gpu processes",
            FakeGpu(pids="Insufficient Permissions"),
            "unknown",
            "NVML: Insufficient Permissions",
        ),
        ("gpu throttling", FakeGpu(bits=0x40), "warn", "hardware thermal slowdown"),
        ("gpu throttling", FakeGpu(bits=0x04), "warn", POWER_CAP),
        ("gpu throttling", FakeGpu(bits=0x02), "ok", "application clocks"),
        ("gpu throttling", FakeGpu(bits=0x01), "ok", "none"),
        ("gpu power limit", FakeGpu(limit=350.0), "warn", "350 W, by default 700 W"),
        ("gpu power limit", FakeGpu(limit=700.0), "ok", "700 W, by default 700 W"),
        ("gpu power limit", FakeGpu(limit="Not Supported"), "unknown", "NVML: Not Supported"),
        ("gpu persistence mode", FakeGpu(persistence=False), "warn", "off"),
        ("gpu MIG", FakeGpu(mig=True), "warn", "on"),
        ("gpu MIG", FakeGpu(mig="Not Supported"), "unknown", "NVML: Not Supported"),
        ("gpu", FakeGpu(), "ok", "NVIDIA H100"),
        ("gpu compute mode", FakeGpu(mode="exclusive process"), "ok", "exclusive process"),
        ("gpu compute mode", FakeGpu(mode="prohibited"), "warn", "prohibited"),
        ("gpu ECC mode", FakeGpu(), "ok", "on"),
        ("gpu ECC mode", FakeGpu(ecc=(True, False)), "warn", "on, after the next reset off"),
        ("gpu ECC mode", FakeGpu(ecc="Not Supported"), "unknown", "NVML: Not Supported"),
        (
            "gpu ECC errors",
            FakeGpu(errors=ecc_errors(corrected=3, uncorrected=0)),
            "ok",
            "0 uncorrected and 3 corrected since the driver was loaded, 0 and 3 ever",
        ),
        (
            "gpu ECC errors",
            FakeGpu(errors=ecc_errors(corrected=3, uncorrected=1)),
            "warn",
            "1 uncorrected and 3 corrected since the driver was loaded, 1 and 3 ever",
        ),
        ("gpu ECC errors", FakeGpu(errors="No Permission"), "unknown", "NVML: No Permission"),
        ("gpu remapped rows", FakeGpu(rows=replaced(rows=2)), "ok", "2"),
        (
            "gpu remapped rows",
            FakeGpu(rows=replaced(pending=True)),
            "warn",
            "0, and one pending a reset",
        ),
        ("gpu remapped rows", FakeGpu(rows=replaced(failed=True)), "warn", "0, and one that failed"),
        ("gpu remapped rows", FakeGpu(rows="Not Supported"), "unknown", "NVML: Not Supported"),
        ("gpu PCIe link", FakeGpu(), "ok", "generation 5 of 5, width 16 of 16"),
        ("gpu PCIe link", FakeGpu(link=link(5, 8)), "warn", "generation 5 of 5, width 8 of 16"),
        ("gpu PCIe link", FakeGpu(link=link(4, 16)), "warn", "generation 4 of 5, width 16 of 16"),
        (
            "gpu PCIe link",
            FakeGpu(link=link(1, 16), bits=1),
            "ok",
            "generation 1 of 5, width 16 of 16, at rest",
        ),
        ("gpu application clocks", FakeGpu(), "ok", "SM 1980 MHz, by default 1980, at most 1980"),
        (
            "gpu application clocks",
            FakeGpu(application_clocks=(1095, 1215), default_clock=1095, max_clocks=(1410, 1215)),
            "ok",
            "SM 1095 MHz, by default 1095, at most 1410",
        ),
        (
            "gpu application clocks",
            FakeGpu(application_clocks=(1200, 2619)),
            "warn",
            "SM 1200 MHz, by default 1980, at most 1980",
        ),
        ("gpu application clocks", FakeGpu(default_clock="Unknown"), "unknown", "NVML: Unknown"),
    ],
)
def test_planted_gpus(tmp_path: Path, name: str, gpu: FakeGpu, status: str, words: str) -> None:
    finding = found(machine(tmp_path, open_nvml=lambda: FakeNvml((gpu,))), name)
    assert (finding.status, finding.found) == (status, words)


def test_the_ways_to_the_other_gpus_are_shown(tmp_path: Path) -> None:
    twins = (FakeGpu(), FakeGpu(gpu_uuid="GPU-2222"))
    at = machine(tmp_path, open_nvml=lambda: FakeNvml(twins, nvlinks=4))
    assert found(at, "gpu beside GPU-2222").found == "one PCIe switch, 4 NVLinks, peer access"
    at = machine(tmp_path, open_nvml=lambda: FakeNvml(twins, nvlinks="Not Supported", peers_read=False))
    way = found(at, "gpu beside GPU-2222")
    assert (way.status, way.found) == ("ok", "one PCIe switch, no peer access; nvlinks: Not Supported")


def test_the_memory_next_to_the_gpu_is_shown(tmp_path: Path) -> None:
    assert found(machine(tmp_path), "gpu NUMA node").found == "1"
    single = machine(tmp_path, {"sys/bus/pci/devices/0000:3b:00.0/numa_node": "-1\n"})
    assert found(single, "gpu NUMA node").status == "unknown"


@pytest.mark.parametrize(
    ("environ", "name", "status", "words"),
    [
        ({}, "CUDA_LAUNCH_BLOCKING", "ok", "not set"),
        ({"CUDA_LAUNCH_BLOCKING": "0"}, "CUDA_LAUNCH_BLOCKING", "ok", "0"),
        ({"CUDA_LAUNCH_BLOCKING": "1"}, "CUDA_LAUNCH_BLOCKING", "warn", "1"),
        ({"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}, "PYTORCH_NO_CUDA_MEMORY_CACHING", "warn", "1"),
    ],
)
def test_variables_that_slow_cuda_down(
    tmp_path: Path, environ: dict[str, str], name: str, status: str, words: str
) -> None:
    finding = found(machine(tmp_path, environ=environ), name)
    assert (finding.status, finding.found) == (status, words)


def test_a_clock_that_convbench_left_locked_is_shown(tmp_path: Path) -> None:
    at = machine(tmp_path, environ={"XDG_STATE_HOME": str(tmp_path)})
    assert found(at, "gpu locked clock").status == "ok"
    folder = locked_clocks.marker_folder(at.environ)
    folder.mkdir(parents=True)
    marker = locked_clocks.LockMarker(uuid="GPU-11111111-aaaa", mhz=1200, pid=1, started=0.0)
    (folder / f"{platform.node()}+GPU.json").write_bytes(msgspec.json.encode(marker))
    assert (found(at, "gpu locked clock").status, found(at, "gpu locked clock").found) == ("warn", "1200 MHz")


def test_the_gpu_is_the_one_that_cuda_will_use(tmp_path: Path) -> None:
    gpus = (FakeGpu(), FakeGpu(gpu_uuid="GPU-2222", pids=[9]))
    at = machine(tmp_path, open_nvml=lambda: FakeNvml(gpus), environ={"CUDA_VISIBLE_DEVICES": "GPU-2222"})
    assert found(at, "gpu processes").found == "pid 9"


@pytest.mark.parametrize(
    ("built", "status"), [("13.2", "ok"), ("12.8", "ok"), ("14.0", "warn"), (None, "warn")]
)
def test_the_driver_must_suit_torch(tmp_path: Path, built: str | None, status: str) -> None:
    finding = found(machine(tmp_path, torch_cuda=lambda: built), "driver")
    assert finding.status == status
    assert finding.found.startswith("580.65.06, for CUDA up to 13.0; torch has ")


@pytest.mark.parametrize(("device", "status"), [("auto", "ok"), ("cuda", "warn")])
def test_no_gpu_is_a_warning_only_for_who_wants_one(tmp_path: Path, device: str, status: str) -> None:
    finding = found(machine(tmp_path, open_nvml=no_driver), "gpu", device)
    assert (finding.status, finding.found) == (status, "none: NVML Shared Library Not Found")


def test_for_the_cpu_no_gpu_is_looked_at(tmp_path: Path) -> None:
    at = machine(tmp_path, open_nvml=lambda: pytest.fail("NVML was asked"))
    assert not [f for f in doctor.examine("cpu", at) if f.name.startswith("gpu")]


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'cuda'"):
        doctor.examine("cudda")


def test_warnings_come_first_for_people_and_nothing_is_lost_for_programs(tmp_path: Path) -> None:
    findings = doctor.examine("auto", machine(tmp_path, {"proc/loadavg": "9 9 9 1/1 1"}))
    document = reporting.document(findings)
    assert document.answer is not None
    assert document.answer.headlines == ("1 problem found; expect noisy measurements.",)
    assert document.answer.table is not None
    assert [row[0] for row in document.answer.table.rows] == ["! load"]
    assert document.tables[0].rows[0][:2] == ("load", "! warn")
    assert [row["name"] for row in document.rows] == [finding.name for finding in findings]
    assert set(document.rows[0]) == {"name", "status", "found", "advice"}
    assert "| load " in formats.render("md", document)


def test_a_machine_without_problems_is_said_to_have_none() -> None:
    fine = Finding(name="load", status="ok", found="0.1")
    unknown = Finding(name="turbo", status="unknown", found="no file")
    assert reporting.verdict([fine, unknown]) == "No problems found."
    answer = reporting.document([fine, unknown]).answer
    assert answer is not None
    assert answer.table is None
    assert answer.warnings == "Could not be checked: turbo."


@pytest.mark.parametrize(
    ("status", "arguments", "code"), [("warn", [], 0), ("warn", ["--strict"], 1), ("ok", ["--strict"], 0)]
)
def test_strict_turns_a_warning_into_an_exit_code(
    command_line: Command, monkeypatch: pytest.MonkeyPatch, status: Status, arguments: list[str], code: int
) -> None:
    found = [Finding(name="load", status=status, found="9", advice="wait")]
    monkeypatch.setattr(doctor, "examine", lambda *_: found)
    assert command_line("doctor", *arguments).code == code


def test_this_machine_is_examined_quickly_and_without_torch() -> None:
    script = "import sys; from bench import doctor; doctor.examine(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_torchs_cuda_is_read_from_its_files() -> None:
    torch = pytest.importorskip("torch")
    built = Machine().torch_cuda()
    assert built == torch.version.cuda
    assert built is None or re.fullmatch(r"\d+\.\d+", built)


def test_a_package_of_another_project_is_reported(tmp_path: Path) -> None:
    foreign = "the package models that Python finds is not convbench's: /elsewhere/models"
    mixed = "the package bench is also a part of bench: /site/bench"
    found = doctor.examine(
        "cpu", machine(tmp_path, foreign_packages=lambda: [foreign], mixed_packages=lambda: [mixed])
    )
    packages = [each for each in found if each.name == "packages"]
    assert [(each.status, each.found) for each in packages] == [("warn", foreign), ("warn", mixed)]
    assert all("separate environment" in each.advice for each in packages)
