"""Whether a run's intervals hold what processes after it find: of each case ten more, on the same machine.

    python examples/later_processes.py runs/first runs/later
    python examples/later_processes.py runs/first runs/later --processes 3 -- --model lenet5 --batch 1,8

The first folder holds a run; where it holds none, the default suite is run into it, or what stands behind
`--`. The second gets the same plan with ten processes of each case, or those of them that it lacks. An
interval is to hold, in 95 of 100 cases, the mean of processes without end; ten have an error of their own, so
it is counted both ways: the later mean alone, and with that error added. What a machine does differently for
minutes at a time no interval of one run can hold.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

AXES = (
    *("model", "workload", "device", "precision", "engine", "layout", "batch", "image"),
    *("channels", "classes", "threads", "seed", "tuning", "input"),
)
PLAN = "plan.json"
WHOLE_STEP = {"inference": "forward", "training": "step"}


@dataclass(frozen=True)
class Interval:
    """Of a case's step in s: the geometric mean over its processes, and the interval's upper end over it, as
    a logarithm."""

    mean: float
    half: float
    processes: int


@dataclass(frozen=True)
class Comparison:
    """A case's interval, and what later processes found."""

    case: str
    first: Interval
    later: Interval

    @property
    def off(self) -> float:
        """By how much the later mean is larger, as a logarithm."""
        return math.log(self.later.mean / self.first.mean)

    @property
    def is_inside(self) -> bool:
        return abs(self.off) <= self.first.half

    @property
    def is_inside_with_its_error(self) -> bool:
        return abs(self.off) <= math.hypot(self.first.half, self.later.half)


def main() -> int:
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    asked, options = _parser().parse_args(words[:at]), words[at + 1 :]
    if not (asked.first / "records.jsonl").exists():
        run(asked.first, *options)
    measure_later(asked.first, asked.later, asked.processes)
    found = compared(intervals(asked.first), intervals(asked.later))
    if not found:
        print("no case has an interval in both runs")
        return 1
    for each in found:
        print(line(each))
    for which, inside in (
        ("the later mean", [each.is_inside for each in found]),
        ("the later mean within its own error", [each.is_inside_with_its_error for each in found]),
    ):
        print(f"{which}: inside in {sum(inside)} of {len(inside)} cases ({sum(inside) / len(inside):.0%})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("--processes", type=int, default=10, help="of each case in the later run")
    return parser


def measure_later(first: Path, later: Path, processes: int) -> None:
    """The plan of the first run with so many processes of each case; a folder without records begins it."""
    later.mkdir(parents=True, exist_ok=True)
    if not (later / PLAN).exists():
        shutil.copy(first / PLAN, later / PLAN)
    run(later, "--resume", "--replicates", str(processes))


def run(folder: Path, *options: str) -> None:
    words = [sys.executable, "-m", "convbench", "run", "--out", str(folder), *options]
    code = subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode
    if code not in (0, 1):  # 1: a case failed, the others have their figures
        sys.exit(code)


def intervals(folder: Path) -> dict[tuple[object, ...], Interval]:
    """Of each case that was timed in more than one process."""
    words = [sys.executable, "-m", "convbench", "report", str(folder), "--format", "json"]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        tuple(row[axis] for axis in AXES): Interval(
            row["median"], math.log(row["high"] / row["median"]), row["processes"]
        )
        for row in json.loads(said)["rows"]
        if row["metric"] == "wall_time"
        and row["phase"] == WHOLE_STEP.get(row["workload"])
        and row["interval"] == "across-processes"
    }


def compared(
    first: dict[tuple[object, ...], Interval], later: dict[tuple[object, ...], Interval]
) -> list[Comparison]:
    """The cases that both have, in the order of the first."""
    return [Comparison(_named(case), first[case], later[case]) for case in first if case in later]


def _named(case: tuple[object, ...]) -> str:
    axes = dict(zip(AXES, case, strict=True))
    return " ".join(str(axes[name]) for name in ("model", "workload", "precision", "engine")) + (
        f" b{axes['batch']}"
    )


def line(found: Comparison) -> str:
    """`vgg16 inference fp32 eager b1: 219.3 ms ±4.5% (2), later 222.9 ms ±1.2% (10): +1.6%, inside`"""
    told = (
        f"{1e3 * each.mean:.4g} ms ±{math.expm1(each.half):.1%} ({each.processes})"
        for each in (found.first, found.later)
    )
    verdict = "inside" if found.is_inside else "OUTSIDE"
    return f"{found.case}: {', later '.join(told)}: {math.expm1(found.off):+.1%}, {verdict}"


if __name__ == "__main__":
    sys.exit(main())
