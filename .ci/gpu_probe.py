"""What convbench takes for granted about a GPU, looked at without convbench: one line a fact.

    python .ci/gpu_probe.py probe.json --seconds 60

Without a GPU only the facts about the machine are taken. A probe that fails is a line too, and ends nothing.
Nothing on the GPU is changed: no clocks, limits or modes.
"""

# long: each probe is a few lines, and they are read together.

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

DEVICE = "cuda"
MATRIX = 8192
BATCH, IMAGE = 64, 224
WORK_SECONDS = 2.0

Call = Callable[[], object]
Value = Any
"""Whatever JSON can hold; what it cannot is written as text."""


class Facts:
    """Facts by name, on the disk and on the terminal as soon as they are known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.found: dict[str, Value] = {}

    def note(self, name: str, value: Value) -> None:
        self.found[name] = value
        self._file.write_text(json.dumps(self.found, indent=1, default=str))
        print(f"{name}: {json.dumps(value, default=str)}", flush=True)


class Nvml:
    """NVML's answers about torch's GPU, each a value or `refused: REASON`."""

    def __init__(self) -> None:
        import pynvml

        self._nvml = pynvml
        pynvml.nvmlInit()
        try:
            uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            self._handle, self.found_by = pynvml.nvmlDeviceGetHandleByUUID(uuid), "torch's UUID"
        except pynvml.NVMLError:
            self._handle, self.found_by = pynvml.nvmlDeviceGetHandleByIndex(0), "index"

    def ask(self, name: str, *arguments: int | list[int]) -> Value:
        """`nvmlDeviceGet` + name."""
        try:
            value = getattr(self._nvml, f"nvmlDeviceGet{name}")(self._handle, *arguments)
        except (self._nvml.NVMLError, AttributeError) as error:
            return f"refused: {error}"
        return value.decode() if isinstance(value, bytes) else value

    def field(self, number: int) -> Value:
        """186: power now, 185: its mean over the last second (mW)."""
        value = self.ask("FieldValues", [number])
        if isinstance(value, str):
            return value
        if value[0].nvmlReturn != 0:
            return f"refused: {value[0].nvmlReturn}"
        kinds = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal"}
        return getattr(value[0].value, kinds.get(value[0].valueType, "ullVal"))

    def driver(self) -> Value:
        return self._nvml.nvmlSystemGetDriverVersion()


# How the host and the GPU are timed


def event() -> torch.cuda.Event:
    made = torch.cuda.Event(enable_timing=True)
    made.record()
    return made


def between(call: Call, times: int, shield: Call | None = None) -> float:
    """Median milliseconds of a call between a pair of events, behind a shield that keeps the queue busy."""
    taken: list[float] = []
    for _ in range(times):
        torch.cuda.synchronize()
        if shield is not None:
            shield()
        start = event()
        call()
        end = event()
        torch.cuda.synchronize()
        taken.append(start.elapsed_time(end))
    return statistics.median(taken)


def wall_ms(call: Call, count: int) -> float:
    """Milliseconds a call by the wall clock, the mean of a row of them."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(count):
        call()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - began) / count


# What is run


def network(name: str) -> nn.Module:
    with torch.device(DEVICE):
        module: nn.Module = getattr(torchvision.models, name)(weights=None)
    return module


def training(name: str) -> Call:
    """A step of training in bf16 autocast."""
    module = network(name).train()
    images = torch.randn(BATCH, 3, IMAGE, IMAGE, device=DEVICE)
    labels = torch.randint(1000, (BATCH,), device=DEVICE)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()

    return step


def product() -> Call:
    """A large matrix product in bf16."""
    matrix = torch.randn(MATRIX, MATRIX, device=DEVICE, dtype=torch.bfloat16)
    result = torch.empty_like(matrix)
    return lambda: torch.mm(matrix, matrix, out=result)


# The probes


def stolen(facts: Facts) -> None:
    def ticks() -> tuple[int, int]:
        values = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return values[7], sum(values)

    before = ticks()
    time.sleep(1)
    after = ticks()
    share = (after[0] - before[0]) / max(1, after[1] - before[1])
    facts.note("stolen share of the processor", round(share, 4))


DRIVER_FACTS: dict[str, tuple[Any, ...]] = {
    "index": ("Index",),
    "VBIOS": ("VbiosVersion",),
    "power limit (mW)": ("EnforcedPowerLimit",),
    "default power limit (mW)": ("PowerManagementDefaultLimit",),
    "highest SM clock (MHz)": ("MaxClockInfo", 1),
    "highest memory clock (MHz)": ("MaxClockInfo", 2),
    "application SM clock (MHz)": ("ApplicationsClock", 1),
    "persistence": ("PersistenceMode",),
    "compute mode": ("ComputeMode",),
    "MIG": ("MigMode",),
    "ECC": ("EccMode",),
    "uncorrected ECC errors": ("TotalEccErrors", 1, 0),
    "remapped rows": ("RemappedRows",),
    "PCIe generation": ("CurrPcieLinkGeneration",),
    "PCIe width": ("CurrPcieLinkWidth",),
}
"""What NVML is asked, with the arguments of `Nvml.ask`."""


def identity(facts: Facts, nvml: Nvml) -> None:
    """Which GPU this is."""
    free, total = torch.cuda.mem_get_info()
    properties = torch.cuda.get_device_properties(0)
    facts.note(
        "gpu",
        {
            "name": properties.name,
            "uuid": str(properties.uuid),
            "found by": nvml.found_by,
            "capability": f"{properties.major}.{properties.minor}",
            "SMs": properties.multi_processor_count,
            "L2 MiB": properties.L2_cache_size / 2**20,
            "memory: torch, driver, free": [properties.total_memory, total, free],
            "torch": torch.__version__,
            "CUDA": torch.version.cuda,
            "cuDNN": torch.backends.cudnn.version(),
            "driver": nvml.driver(),
        },
    )
    said = {name: nvml.ask(*question) for name, question in DRIVER_FACTS.items()}
    facts.note("driver's facts", {**said, "PCI": getattr(nvml.ask("PciInfo"), "busId", None)})


def flags(facts: Facts) -> None:
    """With which flags torch begins."""
    facts.note(
        "torch's flags at the start",
        {
            "matmul tf32": torch.backends.cuda.matmul.allow_tf32,
            "conv tf32": torch.backends.cudnn.allow_tf32,
            "cudnn.benchmark": torch.backends.cudnn.benchmark,
            "cudnn.benchmark_limit": torch.backends.cudnn.benchmark_limit,
            "bf16 reduced": torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
            "fp16 reduced": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        },
    )


def spin(facts: Facts) -> None:
    """Cycles of _sleep in a second, after a rest and after work."""

    def rate() -> float:
        start = event()
        torch.cuda._sleep(2_000_000)
        end = event()
        torch.cuda.synchronize()
        return float(round(2_000_000 / start.elapsed_time(end) / 1e3))

    time.sleep(1.5)
    resting = [rate() for _ in range(4)]
    multiply = product()
    for _ in range(200):
        multiply()
    facts.note("spin, MHz of _sleep: the first ones after a rest, and one after work", [resting, rate()])


def events(facts: Facts) -> None:
    """What a pair of events adds and resolves."""
    tiny = torch.zeros(1024, device=DEVICE)

    def ten() -> None:
        for _ in range(10):
            tiny.add_(1)

    def hold() -> None:
        torch.cuda._sleep(1_000_000)

    ten()
    empty = between(lambda: None, 100, hold)
    one, several = between(lambda: tiny.add_(1), 100, hold), between(ten, 100, hold)
    values = [round(1e3 * value, 2) for value in (empty, one, several / 10)]
    facts.note("events, us: an empty pair, one tiny kernel, a tenth of ten", values)


def operating_point(facts: Facts, nvml: Nvml) -> None:
    """A step in a row, behind a spin and behind a step; clocks and power at work and after."""
    torch.backends.cudnn.benchmark = True
    for name, step in (("vgg16 training amp-bf16", training("vgg16")), ("bf16 product", product())):
        _operating_point(facts, nvml, name, step)


def _operating_point(facts: Facts, nvml: Nvml, name: str, step: Call) -> None:
    def moment() -> dict[str, Value]:
        return {
            "mW now, mean": [nvml.field(186), nvml.field(185)],
            "SM MHz": nvml.ask("ClockInfo", 1),
            "reasons": nvml.ask("CurrentClocksEventReasons"),
        }

    wall_ms(step, 5)
    began = time.perf_counter()
    step()
    enqueue = time.perf_counter() - began
    torch.cuda.synchronize()
    one = between(step, 3, step)
    count = max(10, int(1e3 * WORK_SECONDS / one))
    start = event()
    for _ in range(count):
        step()
    end = event()
    seen = [moment()]
    torch.cuda.synchronize()
    for pause in (0.0, 0.05, 0.2):
        time.sleep(pause)
        seen.append(moment())
    row = start.elapsed_time(end) / count
    times = max(15, min(60, int(500 * WORK_SECONDS / one)))
    spun = between(step, times, lambda: torch.cuda._sleep(int(1.5 * enqueue * 1.9e9)))
    stepped = between(step, times, step)
    values = [round(value, 4) for value in (row, spun, stepped)]
    facts.note(f"shield, {name}: ms in a row, behind a spin, behind a step", values)
    facts.note(f"shield, {name}: ratio to the row", [round(spun / row, 4), round(stepped / row, 4)])
    facts.note(f"clocks, {name}: at work; 0, 50, 250 ms after", seen)


def wall(facts: Facts) -> None:
    """Samples of wall time of one step against those of several."""
    step = training("alexnet")
    wall_ms(step, 20)
    taken = {n: [wall_ms(step, n) for _ in range(max(5, 60 // n))] for n in (1, 2, 10, 50)}
    medians = {n: round(statistics.median(values), 4) for n, values in taken.items()}
    facts.note("wall time, alexnet training: ms a step, by the steps of a sample", medians)


def search(facts: Facts) -> None:
    """Seconds of the first and the second forward, with and without cuDNN's trials."""
    module = network("vgg16").eval()
    found = {}
    with torch.no_grad():
        for batch, tries in ((3, False), (BATCH, True), (BATCH - 1, False), (1, True), (2, False)):
            torch.backends.cudnn.benchmark = tries
            images = torch.randn(batch, 3, IMAGE, IMAGE, device=DEVICE)
            seconds = [round(wall_ms(lambda: module(images), 1) / 1e3, 4) for _ in range(2)]  # noqa: B023
            found[f"b{batch} {'trials' if tries else 'rules'}"] = seconds
    torch.backends.cudnn.benchmark = True
    facts.note("cuDNN search, vgg16 fp32 forward: s of the first and the second call", found)


def workspace(facts: Facts, nvml: Nvml) -> None:
    """What the allocator holds that is no tensor."""
    gc.collect()
    torch.cuda.empty_cache()
    torch._C._cuda_clearCublasWorkspaces()
    base = torch.cuda.memory_allocated()
    matrix = torch.randn(512, 512, device=DEVICE, requires_grad=True)
    out = (matrix @ matrix).sum()
    torch.cuda.synchronize()
    forward = torch.cuda.memory_allocated()
    out.backward()
    torch.cuda.synchronize()
    before, memory = torch.cuda.memory_allocated(), torch.cuda.memory_stats()
    torch._C._cuda_clearCublasWorkspaces()
    kept = before - torch.cuda.memory_allocated()
    sizes = [round(size / 2**20, 2) for size in (forward - base, before - base, kept)]
    facts.note("cuBLAS workspace, MiB: after forward, after backward, given back by clearing", sizes)
    rounding = memory["allocated_bytes.all.current"] - memory["requested_bytes.all.current"]
    facts.note("rounding, MiB allocated above what was asked for", round(rounding / 2**20, 3))
    free, total = torch.cuda.mem_get_info()
    beyond = total - free - torch.cuda.memory_reserved()
    facts.note("MiB beyond the allocator (context, libraries)", round(beyond / 2**20))
    listed = [nvml.ask(kind) for kind in ("ComputeRunningProcesses", "GraphicsRunningProcesses")]
    counted = [each if isinstance(each, str) else len(each) for each in listed]
    facts.note("processes that NVML counts, computing and drawing", counted)


def meters(facts: Facts, nvml: Nvml) -> None:
    """What a question to NVML costs, how often the energy counter moves, and what limits the clocks."""
    questions: dict[str, Call] = {
        "power": lambda: nvml.field(186),
        "energy": lambda: nvml.ask("TotalEnergyConsumption"),
        "SM clock": lambda: nvml.ask("ClockInfo", 1),
        "reasons": lambda: nvml.ask("CurrentClocksEventReasons"),
        "violations": lambda: nvml.ask("ViolationStatus", 0),
    }
    facts.note("ms a question to NVML", {name: round(_host_ms(ask), 3) for name, ask in questions.items()})

    def violated() -> list[int | None]:
        return [getattr(nvml.ask("ViolationStatus", kind), "violationTime", None) for kind in (0, 1, 10)]

    multiply, ticks = product(), []
    before, began = violated(), time.perf_counter()
    last, seen = nvml.ask("TotalEnergyConsumption"), time.perf_counter()
    while time.perf_counter() < began + WORK_SECONDS:
        for _ in range(10):
            multiply()
        end = event()
        while not end.query():
            if (now := nvml.ask("TotalEnergyConsumption")) != last:
                ticks.append(time.perf_counter() - seen)
                last, seen = now, time.perf_counter()
            time.sleep(5e-4)
    seconds = round(time.perf_counter() - began, 2)
    moved = round(1e3 * statistics.median(ticks), 1) if ticks else None
    facts.note("ms between two moves of the energy counter, at work", moved)
    spent = [
        None if a is None or b is None else round((b - a) / 1e9, 3)
        for a, b in zip(before, violated(), strict=True)
    ]
    facts.note("throttle, s under power, thermal and any limit by NVML, of s at work", [*spent, seconds])
    facts.note("throttle, reasons at work", nvml.ask("CurrentClocksEventReasons"))


def _host_ms(ask: Call) -> float:
    began = time.perf_counter()
    for _ in range(5):
        ask()
    return 200 * (time.perf_counter() - began)


OUT_OF_MEMORY = r"""
import sys, torch
torch.backends.cudnn.benchmark = sys.argv[2] == "trials"
left = int(sys.argv[3]) * 2**20
torch.zeros(1, device="cuda")
images, filters = torch.randn(32, 64, 112, 112, device="cuda"), torch.randn(64, 64, 3, 3, device="cuda")
matrix, held = torch.randn(256, 256, device="cuda"), []
for size in (2**32, 2**30, 2**28, 2**26, 2**24):
    while torch.cuda.mem_get_info()[0] > left + size:
        held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
try:
    made = torch.conv2d(images, filters, padding=1) if sys.argv[1] == "conv" else matrix @ matrix
    torch.cuda.synchronize()
    print("no error")
except Exception as error:
    print([kind.__name__ for kind in type(error).__mro__[:3]], str(error).splitlines()[0][:150])
"""
"""Fills the GPU's memory but for a few MiB, then calls a library."""

FORK = """
import os, time
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
began = time.time()
import torch, torch._dynamo, torch._inductor.compile_fx
imports = time.time() - began
pid = os.fork()
if pid == 0:
    began = time.time()
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    seconds = round(imports, 1), round(time.time() - began, 2)
    print("s of imports and to a context in the fork", *seconds, flush=True)
    os._exit(0)
print("the child ended with", os.waitpid(pid, 0)[1], "CUDA in the parent", torch.cuda.is_initialized())
"""
"""What a fork server does: import Inductor, fork, and let the child start CUDA."""

WORKERS = """
import time, torch, torch._inductor.compile_fx
from torch._inductor import async_compile
async_compile.AsyncCompile.wakeup()
began = time.time()
async_compile.shutdown_compile_workers()
print(round(time.time() - began, 2))
"""
"""Ends Inductor's workers as soon as they were woken."""


def out_of_memory(facts: Facts) -> None:
    """In which words memory runs out inside the libraries."""
    for kind, way, left in (("conv", "trials", 20), ("conv", "rules", 20), ("product", "rules", 4)):
        facts.note(
            f"out of memory, {kind}, {way}, {left} MiB left", answer(OUT_OF_MEMORY, kind, way, str(left))
        )


def forked(facts: Facts) -> None:
    """Whether CUDA starts in a fork after Inductor was imported."""
    facts.note("fork, after importing Inductor", answer(FORK))


def compile_workers(facts: Facts) -> None:
    """Seconds to end workers of Inductor that have just been woken."""
    facts.note("compile workers, s to end them when just woken", answer(WORKERS))


def answer(program: str, *arguments: str) -> str:
    """What a program in a process of its own prints, or how it ended."""
    command = [sys.executable, "-c", program, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    except subprocess.TimeoutExpired:
        return "not done in 40 s"
    return " ".join(done.stdout.split()) or done.stderr.strip()[-200:]


def attempt(facts: Facts, name: str, probe: Call) -> None:
    """Run a probe; what it raises is a fact."""
    began = time.monotonic()
    try:
        probe()
    except Exception as error:  # noqa: BLE001  one probe's failure must not cost the others
        facts.note(f"{name} FAILED", f"{type(error).__name__}: {error}"[:300])
    facts.found.setdefault("seconds", {})[name] = round(time.monotonic() - began, 2)


def probes(facts: Facts, nvml: Nvml) -> Sequence[tuple[str, Call]]:
    """In the order of their worth."""
    return (
        ("flags", lambda: flags(facts)),
        ("identity", lambda: identity(facts, nvml)),
        ("spin", lambda: spin(facts)),
        ("events", lambda: events(facts)),
        ("operating_point", lambda: operating_point(facts, nvml)),
        ("workspace", lambda: workspace(facts, nvml)),
        ("wall", lambda: wall(facts)),
        ("meters", lambda: meters(facts, nvml)),
        ("search", lambda: search(facts)),
        ("forked", lambda: forked(facts)),
        ("compile_workers", lambda: compile_workers(facts)),
        ("out_of_memory", lambda: out_of_memory(facts)),
    )


def main() -> int:
    """All probes until the seconds are spent; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    began, facts = time.monotonic(), Facts(given.file)
    attempt(facts, "stolen", lambda: stolen(facts))
    if given.device == "cpu":
        facts.note("cuda", "not asked for: what needs a GPU is left out")
    else:
        started = time.perf_counter()
        torch.zeros(1, device=DEVICE)
        torch.cuda.synchronize()
        facts.note("s to the first context and allocation", round(time.perf_counter() - started, 2))
        for name, probe in probes(facts, Nvml()):
            if time.monotonic() - began > given.seconds:
                facts.note(f"{name} left out", "no time")
            else:
                attempt(facts, name, probe)
    return int(any(name.endswith("FAILED") for name in facts.found))


if __name__ == "__main__":
    sys.exit(main())
