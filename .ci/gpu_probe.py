"""What convbench takes for granted about a GPU, looked at without convbench: one line a fact.

    python .ci/gpu_probe.py probe.json --seconds 60

Without a GPU only the facts about the machine are taken. A probe that fails is a line too, and ends nothing.
Nothing on the GPU is changed: no clocks, limits or modes.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from gpu_child_probes import compile_workers, forked, out_of_memory
from gpu_driver_probes import identity, meters
from gpu_instruments import (
    BATCH,
    DEVICE,
    IMAGE,
    WORK_SECONDS,
    Call,
    Facts,
    Nvml,
    Value,
    between,
    event,
    network,
    product,
    training,
    wall_ms,
)


def stolen(facts: Facts) -> None:
    def ticks() -> tuple[int, int]:
        values = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return values[7], sum(values)

    before = ticks()
    time.sleep(1)
    after = ticks()
    share = (after[0] - before[0]) / max(1, after[1] - before[1])
    facts.note("stolen share of the processor", round(share, 4))


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
