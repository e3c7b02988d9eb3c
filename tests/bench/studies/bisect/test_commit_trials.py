"""What the processes of a test say when there are too few pairs."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from bench.schema.case import Case
from bench.studies.ab.interleaved import Pairs
from bench.studies.bisect import commit_trials
from tests.planted import planted_records


def test_a_commit_whose_processes_fail_says_why(tmp_path: Path) -> None:
    """Without the folder of its worktree, which is gone when somebody reads it."""
    tree = tmp_path / "worktrees" / "abc"
    (good,) = planted_records.replicates(Case(model="vgg11", device="cpu"), [0.25])
    failed = structs.replace(
        good, status="crashed", reason=f"{tree}/net.py, line 3:\n KeyError", measurements=[]
    )
    planted_records.write(tmp_path / "a", [good])
    planted_records.write(tmp_path / "b", [failed])
    reason = commit_trials.why_failed(Pairs(log_ratios=[]), tmp_path, tree)
    assert reason == "crashed: net.py, line 3: KeyError"
    assert commit_trials.why_failed(Pairs(log_ratios=[0.01] * 8), tmp_path, tree) is None
