"""The same networks by convbench and by a plain loop, in turn: what each takes, and how narrow it is then.

    python examples/loop_against_convbench.py
    python examples/loop_against_convbench.py --model lenet5 --batch 1 --turns 1 --steps 5 -- --replicates 2

The loop is what one writes without a harness: for each network and batch a fresh Python process, 10 steps
that do not count and 40 that do, under `torch.inference_mode()`, on as many threads. It has a median and no
interval. convbench is `convbench run` with these axes; what stands behind `--` is handed to it (`--until 5%`
if nothing does). Of both, wall time and the CPU time of all processes are taken from outside, beside the
share of the machine that other programs used meanwhile: with more than a few percent wall times say little.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOP = """
import statistics, sys, time
import torch
from models.catalogue import defaults
from models.load import load

name, batch, threads, warm_up, steps = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
own = defaults(name)
sizes = {"channels": own.channels, "image": own.image, "classes": own.classes}
network = load(name, **sizes, init="default").module.eval()
images = torch.randn(batch, own.channels, own.image, own.image)
seconds = []
with torch.inference_mode():
    for _ in range(warm_up + steps):
        began = time.perf_counter()
        network(images)
        seconds.append(time.perf_counter() - began)
print(statistics.median(seconds[warm_up:]))
"""


@dataclass(frozen=True)
class Cell:
    """What is timed: a network at a batch."""

    model: str
    batch: int

    def __str__(self) -> str:
        return f"{self.model} b{self.batch}"


@dataclass(frozen=True)
class Found:
    """The time of a step in s, and the half width of its interval; None where it has none."""

    seconds: float
    half_width: float | None


@dataclass(frozen=True)
class Turn:
    """One way, once: all cells, what they took in s, and what share of the machine others used meanwhile."""

    found: dict[Cell, Found]
    wall: float
    cpu: float
    others: float


def main() -> int:
    own, handed_on = _split(sys.argv[1:])
    asked = _parser().parse_args(own)
    cells = [Cell(model, batch) for model in asked.model for batch in asked.batch]
    ways: dict[str, Callable[[], dict[Cell, Found]]] = {
        "convbench": lambda: by_convbench(cells, asked.threads, handed_on or ["--until", "5%"]),
        "loop": lambda: {each: by_loop(each, asked.threads, asked.warm_up, asked.steps) for each in cells},
    }
    turns: dict[str, list[Turn]] = {way: [] for way in ways}
    for number in range(asked.turns):
        for way in sorted(ways, reverse=number % 2 == 1):
            turns[way].append(watched(ways[way]))
            say_turn(way, turns[way][-1])
        say_ratio(f"turn {number + 1}", turns["convbench"][-1:], turns["loop"][-1:])
    say_ratio(f"{asked.turns} turns, medians", turns["convbench"], turns["loop"])
    say_widths(cells, turns["convbench"], asked.target)
    return 0


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before `--`, and those behind it."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", default=["vgg11", "vgg16"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=3, help="how often each way is gone")
    parser.add_argument("--warm-up", type=int, default=10, help="steps of the loop that do not count")
    parser.add_argument("--steps", type=int, default=40, help="steps of the loop that do")
    parser.add_argument("--target", type=float, default=0.05, help="half width that is narrow enough")
    return parser


def by_convbench(cells: Sequence[Cell], threads: int, handed_on: Sequence[str]) -> dict[Cell, Found]:
    """As a user would: one run of all cells, and its report."""
    models = ",".join(dict.fromkeys(cell.model for cell in cells))
    batches = ",".join(dict.fromkeys(str(cell.batch) for cell in cells))
    with tempfile.TemporaryDirectory() as made:
        out = str(Path(made) / "run")
        axes = ["--model", models, "--batch", batches, "--device", "cpu", "--threads", str(threads)]
        words = ("-m", "convbench", "run", *axes, "--out", out, "--format", "json", *handed_on)
        report = _said(*words, accepted=(0, 1))  # 1: a case failed, the others have their figures
    rows = [row for row in json.loads(report or '{"rows": []}')["rows"] if row["metric"] == "wall_time"]
    return {
        Cell(row["model"], row["batch"]): Found(row["median"], _half_width(row))
        for row in rows
        if row["phase"] == "forward" and Cell(row["model"], row["batch"]) in cells
    }


def _half_width(row: dict[str, float | None]) -> float | None:
    high, median = row["high"], row["median"]
    return None if high is None or median is None else high / median - 1


def by_loop(cell: Cell, threads: int, warm_up: int, steps: int) -> Found:
    """A process of its own, which says the median."""
    words = (cell.model, *map(str, (cell.batch, threads, warm_up, steps)))
    return Found(float(_said("-c", LOOP, *words)), None)


def _said(*words: str, accepted: Sequence[int] = (0,)) -> str:
    """What a Python prints; ends with its exit code where that is not accepted, for it has said why."""
    done = subprocess.run([sys.executable, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in accepted:
        sys.exit(done.returncode)
    return done.stdout


def watched(way: Callable[[], dict[Cell, Found]]) -> Turn:
    """Go a way, and see from outside what it takes."""
    wall, cpu, busy = time.monotonic(), _cpu_of_children(), _busy()
    found = way()
    wall, cpu, busy = time.monotonic() - wall, _cpu_of_children() - cpu, _busy() - busy
    others = max(0.0, busy - cpu) / (wall * (psutil.cpu_count() or 1))
    return Turn(found, wall, cpu, others)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _busy() -> float:
    """Seconds that all processors were used so far, by whomever."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq + times.steal)


def say_turn(way: str, turn: Turn) -> None:
    print(f"{way}: {turn.wall:.1f} s, CPU {turn.cpu:.1f} s, others used {turn.others:.0%} of the machine")
    for cell, found in turn.found.items():
        width = "" if found.half_width is None else f" ±{found.half_width:.1%}"
        print(f"    {cell}: {1e3 * found.seconds:.3f} ms{width}", flush=True)


def say_ratio(which: str, convbench: Sequence[Turn], loop: Sequence[Turn]) -> None:
    """What convbench took of what the loop took."""
    wall = statistics.median(turn.wall for turn in convbench) / statistics.median(turn.wall for turn in loop)
    cpu = statistics.median(turn.cpu for turn in convbench) / statistics.median(turn.cpu for turn in loop)
    print(f"{which}: convbench / loop: wall {wall:.2f}, CPU {cpu:.2f}", flush=True)


def say_widths(cells: Sequence[Cell], convbench: Sequence[Turn], target: float) -> None:
    """Of each cell the half widths of all turns, and how many cells were narrow enough in every turn."""
    narrow = 0
    for cell in cells:
        widths = [turn.found[cell].half_width if cell in turn.found else None for turn in convbench]
        narrow += all(width is not None and width <= target for width in widths)
        print(f"{cell}: " + ", ".join("none" if width is None else f"±{width:.1%}" for width in widths))
    print(f"within ±{target:.0%} in every turn: {narrow} of {len(cells)}")


if __name__ == "__main__":
    sys.exit(main())
