"""How often a gate on speed fails for code that did not change.

    python examples/gate_same_code.py
    python examples/gate_same_code.py --model lenet5,alexnet --sessions 8 --replicates 5 --out runs/same

Each session is `pytest --convbench-replicates N` on one test for each network. Then every pair of sessions is
compared in the order of time, as `--convbench-compare --convbench-fail-on slower` does: a failure is a false
alarm. Pairs called faster would be alarms in the other order, so they are counted too. Beside these
is what a gate on the medians alone (`--benchmark-compare-fail=median:5%`) would have said.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.schema.phases import whole
from reports.compare import compare_report
from reports.compare.row_words import is_step_time
from reports.summary.pooling import summarise

TESTS = """
import pytest

@pytest.mark.parametrize("model", {models!r})
def test_network(convbench, model):
    convbench(model)
"""
ROOT = Path(__file__).resolve().parent.parent
NAIVE = 0.05
"""Of the gate on medians."""


@dataclass(frozen=True)
class Pair:
    """Two sessions of the same code.

    alarms   why the gate fails; none is right
    verdicts of the times
    naive    whether a median of the later one is above that of the earlier one by more than NAIVE
    """

    base: Path
    new: Path
    alarms: tuple[str, ...]
    verdicts: tuple[str, ...]
    naive: bool

    @property
    def is_decided(self) -> bool:
        """Whether a time is called slower or faster: in one of the two orders that is an alarm."""
        return not {"slower", "faster"}.isdisjoint(self.verdicts)

    def __str__(self) -> str:
        told = "; ".join(self.alarms) or ", ".join(self.verdicts)
        return f"{self.base.name} {self.new.name}: {'ALARM: ' if self.alarms else ''}{told}"


def session(folder: Path, models: Sequence[str], replicates: int) -> None:
    """One, whose processes are kept in the folder."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "test_same.py").write_text(TESTS.format(models=list(models)), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", place]
        command += ["--rootdir", place, f"--convbench-replicates={replicates}", f"--convbench-out={folder}"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def judged(base: Path, new: Path) -> Pair:
    """What the gates say of two sessions."""
    found = compare_report.build([base], [new], fail_on="slower")
    assert found.gate is not None
    one, other = _medians(base), _medians(new)
    return Pair(
        base,
        new,
        alarms=found.gate.reasons,
        verdicts=tuple(str(row.verdict) for row in found.rows if is_step_time(row)),
        naive=any(other[case] > (1 + NAIVE) * one[case] for case in one),
    )


def _medians(folder: Path) -> dict[str, float]:
    return {
        each.case.id: each.median
        for each in summarise([folder]).figures
        if each.metric == "wall_time" and each.phase == whole(each.case) and each.layer is None
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="lenet5", help="networks, separated by commas")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--replicates", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/same-code"))
    given = parser.parse_args()
    out = given.out.resolve()
    folders = [out / f"{number:02}" for number in range(1, given.sessions + 1)]
    for folder in folders:
        session(folder, given.model.split(","), given.replicates)
        print(folder.name, {case: f"{1e3 * ms:.4g} ms" for case, ms in _medians(folder).items()}, flush=True)
    pairs = [judged(base, new) for base, new in itertools.combinations(folders, 2)]
    for pair in pairs:
        print(pair)
    alarms = sum(bool(each.alarms) for each in pairs)
    print(f"false alarms of --convbench-fail-on slower: {alarms} of {len(pairs)}")
    decided = sum(each.is_decided for each in pairs)
    print(f"called slower or faster, of which the order of a pair decides: {decided} of {len(pairs)}")
    print(f"of a gate on medians at {NAIVE:.0%}: {sum(each.naive for each in pairs)} of {len(pairs)}")


if __name__ == "__main__":
    main()
