"""The command that a trend leads to, for each kind of change."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from bench.archive.case_series import SeriesRun
from reports.over_time.next_of_trend import next_step
from reports.over_time.shown_series import shown_of
from reports.over_time.told_groups import groups
from reports.over_time.trended import TrendedSeries
from tests.planted import planted_trend

CASE = "vgg16/training/cuda/fp32/eager/channels-last/b8/t2"


def command(*series: TrendedSeries) -> str:
    trended = structs.replace(planted_trend.year(30, 1), archive=Path("convbench-archive"), series=series)
    found = next_step(trended.archive, groups(shown_of(trended)))
    assert found is not None
    return found.command


def digest(run: SeriesRun) -> str:
    return f"@{run.digest[:12]}"


def test_a_step_with_another_commit_is_bisected() -> None:
    own = planted_trend.runs(30)
    found = command(planted_trend.series(own, case=CASE, steps={20: 0.03}))
    commits = [own[at].conditions["commit"] for at in (19, 20)]
    assert found == (
        f"convbench bisect {commits[0]} {commits[1]} --model vgg16 --workload training --batch 8 "
        "--device cuda --layout channels-last --threads 2"
    )


@pytest.mark.parametrize("of", ["same commit", "faster", "further axes", "-dirty", " / abc", "\n--python=x"])
def test_other_steps_compare_the_runs_around_them(of: str) -> None:
    own = planted_trend.runs(30)
    if of not in ("same commit", "faster", "further axes"):
        own = tuple(
            structs.replace(run, conditions={**run.conditions, "commit": f"{run.conditions['commit']}{of}"})
            for run in own
        )
    at = 15 if of == "same commit" else 20
    case = f"{CASE}/i64" if of == "further axes" else CASE
    found = command(planted_trend.series(own, case=case, steps={at: -0.03 if of == "faster" else 0.03}))
    assert found == f"convbench compare {digest(own[at - 1])} {digest(own[at])}"


def test_a_new_driver_is_compared_whatever_the_commit() -> None:
    own = planted_trend.runs(80)
    found = command(planted_trend.series(own, case=CASE, steps={planted_trend.NEW_DRIVER: 0.03}))
    assert found == f"convbench compare {digest(own[71])} {digest(own[72])}"


def test_a_step_with_another_driver_and_commit_is_compared() -> None:
    """The driver may be to blame, which no commit can tell."""
    own = tuple(
        structs.replace(run, conditions={**run.conditions, "driver": "700.1"} if at >= 20 else run.conditions)
        for at, run in enumerate(planted_trend.runs(30))
    )
    step = planted_trend.series(own, case=CASE, steps={20: 0.03})
    told = tuple(structs.replace(change, what="step") for change in step.told)
    assert (
        command(structs.replace(step, told=told)) == f"convbench compare {digest(own[19])} {digest(own[20])}"
    )


def test_of_a_drift_its_ends_are_compared() -> None:
    own = planted_trend.runs(30)
    found = command(planted_trend.series(own, drift=0.001))
    assert found == f"convbench compare {digest(own[0])} {digest(own[-1])}"


def test_a_result_of_another_tool_is_shown() -> None:
    own = planted_trend.runs(30)
    found = command(planted_trend.series(own, case="resnet50", origin="timm", steps={15: 0.05}))
    assert found == f"convbench archive show {own[15].digest[:12]}"


def test_the_archive_is_named_where_it_is_not_the_usual_one() -> None:
    own = planted_trend.runs(30)
    trended = structs.replace(
        planted_trend.year(30, 1), archive=Path("/a b"), series=(planted_trend.series(own, steps={15: 0.05}),)
    )
    found = next_step(trended.archive, groups(shown_of(trended)))
    assert found is not None
    assert found.command.startswith("CONVBENCH_ARCHIVE='/a b' convbench compare @")
