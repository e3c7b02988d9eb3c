"""Names of steps: alike whatever is added later, unlike between steps, fit to be a file's name."""

from __future__ import annotations

import pytest
from msgspec import structs

from bench.archive import archive_folder
from bench.archive.case_series import CaseSeries, SeriesRun
from bench.archive.step_names import step_name
from bench.stats.run_series import SeriesPoint


def series(runs: int, first: int = 0, model: str = "vgg16") -> CaseSeries:
    return CaseSeries(
        case="vgg16/training/cuda/fp32/eager/nchw/b8/t2",
        model=model,
        kind="NVIDIA H100",
        fingerprint="f" * 16,
        runs=tuple(
            SeriesRun(
                digest=f"{at:064x}", first=f"{at:064x}", label="", at=f"2026-01-{at + 1:02}", conditions={}
            )
            for at in range(first, first + runs)
        ),
        points=(SeriesPoint(log_seconds=0.0, scatter=None, processes=1),) * runs,
    )


def test_runs_that_are_added_change_no_name() -> None:
    name = step_name(series(10), 5)
    assert step_name(series(20), 5) == name
    assert step_name(series(18, first=2), 3) == name, "older runs were pruned: run 5 is the fourth now"


def test_a_run_that_was_resumed_keeps_the_name_of_its_step() -> None:
    before = series(10)
    resumed = [*before.runs[:5], structs.replace(before.runs[5], digest="e" * 64), *before.runs[6:]]
    assert step_name(structs.replace(before, runs=tuple(resumed)), 5) == step_name(before, 5)


def test_every_step_of_every_series_has_its_own_name() -> None:
    ours = series(20)
    others = [
        structs.replace(ours, case="vgg16/inference/cuda/fp32/eager/nchw/b8/t2"),
        structs.replace(ours, kind="NVIDIA H200"),
        structs.replace(ours, fingerprint="0" * 16),
        structs.replace(ours, origin="timm"),
    ]
    names = {step_name(each, at) for each in (ours, *others) for at in range(20)}
    assert len(names) == 100


@pytest.mark.parametrize("model", ["vgg16", "../nets.py:make", "torchvision:resnet18", "é" * 90, "-", "A b"])
def test_a_name_is_a_word_that_stays_in_its_folder(model: str) -> None:
    name = step_name(series(3, model=model), 1)
    assert archive_folder.check_name("name of a step", name) == name
    assert len(name) <= 40
