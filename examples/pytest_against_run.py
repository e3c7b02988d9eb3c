"""The same networks by the pytest fixture and by `convbench run`, in turn: do they tell the same time?

    python examples/pytest_against_run.py
    python examples/pytest_against_run.py --model lenet5,alexnet --turns 4

In each turn a fresh pytest measures every network in its own process, and `convbench run --replicates 1` in
a child; which of them comes first alternates. The last lines have the geometric mean of the ratios, with the
95% interval over the turns: it should contain 1.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.schema.phases import whole
from bench.schema.record import find
from bench.stats.estimates import LEVEL, mean_shift, median
from bench.store import RECORDS, read_records

TESTS = """
import pytest

@pytest.mark.parametrize("model", {models!r})
def test_network(convbench, model):
    convbench(model)
"""
ROOT = Path(__file__).resolve().parent.parent


def by_pytest(models: Sequence[str], place: Path) -> dict[str, float]:
    """The median of each network, s."""
    (place / "test_same.py").write_text(TESTS.format(models=list(models)), encoding="utf-8")
    kept = place / "kept.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(place)]
    command += ["--rootdir", str(place), f"--benchmark-json={kept}"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = json.loads(kept.read_text(encoding="utf-8"))["benchmarks"]
    return {each["params"]["model"]: each["stats"]["median"] for each in found}


def by_run(models: Sequence[str], place: Path) -> dict[str, float]:
    """Likewise."""
    command = [sys.executable, "-m", "bench", "run", "--model", ",".join(models), "--batch", "1"]
    command += ["--replicates", "1", "--no-ceilings", "--out", str(place / "run")]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found: dict[str, float] = {}
    for record in read_records(place / "run" / RECORDS):
        wall = find(record.measurements, whole(record.case), "wall_time")
        assert wall is not None, record.reason
        found[record.case.model] = median(wall.samples)
    return found


def turn(number: int, models: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Seconds by pytest and by the run, of each network."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if number % 2:
            fixture = by_pytest(models, place)
            run = by_run(models, place)
        else:
            run = by_run(models, place)
            fixture = by_pytest(models, place)
    return {model: (fixture[model], run[model]) for model in models}


def summary(model: str, turns: Sequence[tuple[float, float]]) -> str:
    """`lenet5: pytest / run 1.004 (0.981 to 1.028), 4 turns`"""
    logs = [math.log(fixture / run) for fixture, run in turns]
    if len(logs) < 2:
        return f"{model}: pytest / run {math.exp(logs[0]):.3f}, 1 turn"
    shift = mean_shift(logs)
    low, high = shift.around(LEVEL)
    return f"{model}: pytest / run {shift.ratio:.3f} ({low:.3f} to {high:.3f}), {len(logs)} turns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="lenet5,alexnet", help="networks, separated by commas")
    parser.add_argument("--turns", type=int, default=4)
    given = parser.parse_args()
    models = given.model.split(",")
    found: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
    for number in range(1, given.turns + 1):
        for model, (fixture, run) in turn(number, models).items():
            found[model].append((fixture, run))
            told = f"pytest {1e3 * fixture:.4g} ms, run {1e3 * run:.4g} ms, ratio {fixture / run:.3f}"
            print(f"turn {number}: {model}: {told}", flush=True)
    for model, turns in found.items():
        print(summary(model, turns))


if __name__ == "__main__":
    main()
