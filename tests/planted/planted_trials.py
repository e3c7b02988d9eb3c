"""Commits whose times are planted in their files: what a search meets in the place of processes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.runner.events import Progress
from bench.schema.case import Case
from bench.stats import verdicts
from bench.studies.ab import interleaved
from bench.studies.ab.interleaved import Pairs, Trial
from bench.studies.bisect import source_trees
from bench.studies.bisect.source_trees import Sources
from tests.planted import planted_records


class PlantedTrials:
    """Pairs scatter by 1% around what the files `speed` say; `broken` cannot be measured.

    met       the contents of both files, test by test
    stops_at  the test during which Ctrl-C comes, from 1
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.met: list[tuple[str, str]] = []
        self.pairs: list[int] = []
        self.stops_at: int | None = None
        self._drawn = random.Random(5)
        monkeypatch.setattr(interleaved, "run_pairs", self._run_pairs)
        monkeypatch.setattr(source_trees, "why_unmeasurable", self._why_unmeasurable)

    def _why_unmeasurable(self, sources: Sources, tree: Path, case: Case, gpu: str | None) -> str | None:
        return "ImportError: no layers" if (tree / "speed").read_text() == "broken" else None

    def _run_pairs(
        self,
        trial: Trial,
        directory: Path,
        *,
        budget_seconds: float | None,
        on_progress: Callable[[Progress], None],
    ) -> list[Pairs]:
        folders = [side.folder for side in trial.sides if side.folder is not None]
        speeds = [(folder / "speed").read_text() for folder in folders]
        assert Path.cwd() == folders[1]
        self.met.append((speeds[0], speeds[1]))
        for side in ("a", "b"):
            time = planted_records.time("forward", 1.0)
            planted_records.write(directory / side, [planted_records.record(trial.case_pairs[0].a, time)])
        if len(self.met) == self.stops_at:
            raise KeyboardInterrupt
        found = Pairs(log_ratios=[])
        while not found.is_over and found.tried < trial.most_pairs and (budget_seconds or 1) > 0.5:
            found.log_ratios.append(self._drawn.gauss(float(speeds[1]) - float(speeds[0]), 0.01))
            ratios = found.log_ratios
            found.verdict = verdicts.interim_verdict(ratios, trial.margin) or found.verdict
            is_clear = found.verdict is not None and found.verdict.is_clear
            found.is_decided = is_clear if trial.is_decided is None else trial.is_decided(ratios)
        if found.log_ratios and not (found.verdict and found.verdict.is_clear):
            found.verdict = verdicts.interim_verdict(found.log_ratios, trial.margin, last=True)
        self.pairs.append(len(found.log_ratios))
        return [found]


SLOWER = math.log(1.05)
"""The step that is planted."""
