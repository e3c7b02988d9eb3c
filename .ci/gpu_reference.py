"""An independent loop: torchvision's networks timed by CUDA events and by the wall clock, without convbench.

    python .ci/gpu_reference.py reference.json --device cuda --seconds 60

What is in the file already is not timed again. The shapes, flags and autocast are those that docs/method.md
names; weights and images are random.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import torchvision
from torch import nn

ROUNDS = 3
WARM_UP_SECONDS = 0.4
ROUND_SECONDS = 0.25
MOST_STEPS = 1000

Step = Callable[[], object]
Forward = Callable[[torch.Tensor], torch.Tensor]


class Cell(NamedTuple):
    """What is timed; the fields are convbench's axes of the same names."""

    model: str
    workload: str
    precision: str
    engine: str
    batch: int


def cells(device: str) -> list[Cell]:
    """In the order of their worth: what has no time left is left out at the end."""
    if device == "cpu":
        eager = [Cell("alexnet", "inference", "fp32", "eager", batch) for batch in (1, 4)]
        return [*eager, Cell("alexnet", "inference", "fp32", "compile", 1)]
    models, precisions, batches = ("alexnet", "vgg16"), ("amp-bf16", "fp32"), (64, 1)
    inference = [
        Cell(model, "inference", precision, engine, batch)
        for engine in ("eager", "compile")
        for batch in batches
        for precision in precisions
        for model in models
    ]
    training = [
        Cell(model, "training", precision, "eager", 64) for precision in precisions for model in models
    ]
    return [*inference[:8], *training, *inference[8:]]


def prepare(device: str) -> None:
    """The flags of a process: cuDNN chooses by trial, and a CPU's denormal numbers are zero."""
    torch.backends.cudnn.benchmark = True
    if device == "cpu":
        torch.set_num_threads(physical_cores())
        torch.set_flush_denormal(True)


def physical_cores() -> int:
    """The physical cores that this process may use."""
    topology = "/sys/devices/system/cpu/cpu{}/topology/{}"
    parts = ("physical_package_id", "core_id")
    cores = {
        tuple(Path(topology.format(cpu, part)).read_text() for part in parts)
        for cpu in os.sched_getaffinity(0)
    }
    return max(1, len(cores))


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def inference_step(forward: Forward, images: torch.Tensor) -> Step:
    return lambda: forward(images)


def training_step(module: nn.Module, forward: Forward, images: torch.Tensor, precision: str) -> Step:
    labels = torch.randint(1000, (len(images),), device=images.device)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(images.device.type, precision):
            loss = nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()

    return step


def autocast(device: str, precision: str) -> torch.autocast:
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "amp-bf16")


@contextmanager
def stepping(cell: Cell, device: str, image: int = 224) -> Iterator[Step]:
    """The cell's step, inside all that must surround it."""
    torch._dynamo.reset()  # else another batch of the same network would compile for any batch
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = cell.precision == "tf32"
    with torch.device(device):
        module = getattr(torchvision.models, cell.model)(weights=None)
    module.train(cell.workload == "training")
    images = torch.randn(cell.batch, 3, image, image, device=device)
    forward: Forward = torch.compile(module) if cell.engine == "compile" else module
    if cell.workload == "training":
        yield training_step(module, forward, images, cell.precision)
        return
    with torch.no_grad(), autocast(device, cell.precision):
        yield inference_step(forward, images)


def timed(step: Step, device: str) -> dict[str, float | None]:
    """Seconds a step: by the wall clock and by one pair of events around many steps in a row."""
    warm_up(step, device)
    began = time.perf_counter()
    step()
    synchronise(device)
    count = max(2, min(MOST_STEPS, int(ROUND_SECONDS / (time.perf_counter() - began))))
    rounds = [in_a_row(step, count, device) for _ in range(ROUNDS)]
    events = [by_events for _, by_events in rounds if by_events is not None]
    return {
        "wall_seconds": statistics.median(wall for wall, _ in rounds),
        "event_seconds": statistics.median(events) if events else None,
        "steps": count,
    }


def warm_up(step: Step, device: str) -> None:
    """Three steps at least: the first ones compile, search and allocate."""
    end, steps = time.perf_counter() + WARM_UP_SECONDS, 0
    while steps < 3 or time.perf_counter() < end:
        step()
        synchronise(device)
        steps += 1


def in_a_row(step: Step, count: int, device: str) -> tuple[float, float | None]:
    """Mean seconds of `count` steps by the wall clock, and by events where there are any."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device == "cuda" else []
    synchronise(device)
    began = time.perf_counter()
    for event in events[:1]:
        event.record()
    for _ in range(count):
        step()
    for event in events[1:]:
        event.record()
    synchronise(device)
    wall = (time.perf_counter() - began) / count
    return wall, events[0].elapsed_time(events[1]) / 1e3 / count if events else None


def main() -> int:
    """Time the cells until the seconds are spent; 1 if one failed or none was timed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    began, failed = time.monotonic(), False
    rows = json.loads(given.file.read_text()) if given.file.exists() else []
    known = {tuple(row[field] for field in Cell._fields) for row in rows}
    prepare(given.device)
    for cell in cells(given.device):
        name = "/".join(map(str, cell))
        if cell in known:
            continue
        if time.monotonic() - began > given.seconds:
            print(f"left out, no time: {name}")
            continue
        try:
            with stepping(cell, given.device) as step:
                rows.append({**cell._asdict(), **timed(step, given.device)})
        except Exception as error:  # noqa: BLE001  one cell's failure must not cost the others
            print(f"FAILED {name}: {type(error).__name__}: {error}"[:300])
            failed = True
            continue
        given.file.write_text(json.dumps(rows, indent=1))
        print(json.dumps(rows[-1]), flush=True)
    return int(failed or not rows)


if __name__ == "__main__":
    sys.exit(main())
