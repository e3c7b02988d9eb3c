"""The GPU that CUDA will use, as NVML sees it, and the driver; torch is not asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.doctor import gpu_condition
from bench.doctor.machine import Machine
from bench.doctor.nvml_answers import asked
from bench.host.gpu_choice import visible_gpu
from bench.host.nvml import POWER_CAP, SLOWDOWNS, Nvml, NvmlGpu, UnreadableError, reasons
from bench.schema.finding import Finding


def findings(machine: Machine, *, required: bool) -> Iterator[Finding]:
    """All about the GPU; one row where there is none, which is a warning only where it is `required`."""
    try:
        nvml = machine.open_nvml()
        gpu = visible_gpu(nvml, machine.environ)
        name = gpu.name()
    except UnreadableError as error:
        advice = "install the NVIDIA driver; start containers with --gpus all" if required else ""
        yield Finding(name="gpu", status="warn" if required else "ok", found=f"none: {error}", advice=advice)
        return
    yield Finding(name="gpu", status="ok", found=name)
    yield _driver(machine, nvml)
    yield asked("gpu processes", gpu.compute_pids, _processes)
    yield asked("gpu throttling", gpu.event_reasons, _throttling)
    yield asked("gpu power limit", lambda: _limits(gpu), _power_limit)
    yield asked("gpu persistence mode", gpu.persistence_mode, _persistence)
    yield asked("gpu MIG", gpu.mig_mode, _mig)
    yield from gpu_condition.findings(machine, nvml, gpu)


def _driver(machine: Machine, nvml: Nvml) -> Finding:
    built = machine.torch_cuda()

    def judge(name: str, versions: tuple[str, str]) -> Finding:
        driver, cuda = versions
        found = f"{driver}, for CUDA up to {cuda}; torch has {f'CUDA {built}' if built else 'no CUDA'}"
        if built is None:
            advice = "install a torch with CUDA (see pytorch.org)"
            return Finding(name=name, status="warn", found=found, advice=advice)
        if int(built.partition(".")[0]) > int(cuda.partition(".")[0]):
            advice = (
                "the driver is too old for this torch: update it, or install a torch for its CUDA version"
            )
            return Finding(name=name, status="warn", found=found, advice=advice)
        return Finding(name=name, status="ok", found=found)

    return asked("driver", lambda: (nvml.driver_version(), nvml.cuda_version()), judge)


def _processes(name: str, pids: Sequence[int]) -> Finding:
    if not pids:
        return Finding(name=name, status="ok", found="none")
    advice = "other processes share the GPU's time and memory: wait for them, or use another GPU"
    return Finding(name=name, status="warn", found=f"pid {', '.join(map(str, pids))}", advice=advice)


def _throttling(name: str, bits: int) -> Finding:
    found = reasons(bits)
    if set(found) & SLOWDOWNS:
        advice = "measurements are invalid while it lasts: check cooling and power supply"
        return Finding(name=name, status="warn", found=", ".join(found), advice=advice)
    if POWER_CAP in found:
        advice = "another job uses the GPU, or its power limit is low"
        return Finding(name=name, status="warn", found=POWER_CAP, advice=advice)
    return Finding(name=name, status="ok", found=", ".join(found) or "none")


def _limits(gpu: NvmlGpu) -> tuple[float, float]:
    return gpu.power_limit_watts(), gpu.default_power_limit_watts()


def _power_limit(name: str, limits: tuple[float, float]) -> Finding:
    limit, default = limits
    found = f"{limit:.0f} W, by default {default:.0f} W"
    if limit >= default:
        return Finding(name=name, status="ok", found=found)
    advice = f"the limit lowers clocks: sudo nvidia-smi --power-limit={default:.0f}"
    return Finding(name=name, status="warn", found=found, advice=advice)


def _persistence(name: str, on: bool) -> Finding:
    if on:
        return Finding(name=name, status="ok", found="on")
    advice = (
        "without it the driver reloads for every process and the GPU starts cold: "
        "sudo nvidia-smi --persistence-mode=1"
    )
    return Finding(name=name, status="warn", found="off", advice=advice)


def _mig(name: str, on: bool) -> Finding:
    if not on:
        return Finding(name=name, status="ok", found="off")
    advice = "figures are for one slice of the GPU; energy and clocks are for the whole board"
    return Finding(name=name, status="warn", found="on", advice=advice)
