"""The planted year through the whole of `convbench trend`: what was planted is told, and nothing else."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.archive import case_series
from bench.archive.case_series import CaseSeries
from reports.over_time.found_trend import changes_of
from reports.over_time.told_changes import with_told
from tests.planted import planted_nights
from tests.planted.commands import ROOT
from tests.planted.planted_nights import BOOST_MHZ, FIRST, YEAR

LOCKED = math.log(BOOST_MHZ / 1410)
STEPS: Mapping[tuple[int, str, int], float] = {
    (0, "step", 120): math.log(1.03),
    (1, "step", 180): math.log(1.01),
    (4, "boundary", 240): math.log(0.95),
    **{(case, "boundary", 310): LOCKED for case in range(YEAR.cases)},
    **{(case, "boundary", 314): -LOCKED for case in range(YEAR.cases)},
}
"""Of case, kind and first night the true change of the log of the time, where it changes at once."""
DRIFT = (2, "drift", 0)
CAUSES = {120: "commit", 180: "commit", 240: "driver", 310: "clock setting", 314: "clock setting"}
"""What is first beside a step, by its planted night."""

pytestmark = pytest.mark.slow

Change = dict[str, Any]


@pytest.fixture(scope="module")
def trend(planted_year: Path) -> dict[str, Any]:
    words = ("trend", "--archive", str(planted_year), "--label", "nightly", "--json")
    done = subprocess.run([sys.executable, "-m", "bench", *words], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def case_of(row: Change) -> int:
    return [case.id for case in planted_nights.cases(YEAR)].index(row["case"])


def night_of(at: str) -> int:
    return (date.fromisoformat(at[:10]) - FIRST.date()).days


def key(change: Change) -> tuple[int, str, int]:
    return case_of(change), change["what"], night_of(change["at"])


@pytest.fixture
def nights(trend: dict[str, Any]) -> dict[str, int]:
    """Of each run its night."""
    return {run["run"]: night_of(run["at"]) for run in trend["runs"]}


def without_night_of_steps(found: Iterable[tuple[int, str, int]]) -> list[tuple[int | str, ...]]:
    """A boundary is at its run; which run is the first after a step, or of a drift, is estimated."""
    return sorted(each if each[1] == "boundary" else each[:2] for each in found)


def test_every_planted_change_is_told_and_nothing_else(trend: dict[str, Any]) -> None:
    told = [key(change) for change in trend["changes"]]
    assert without_night_of_steps(told) == without_night_of_steps([*STEPS, DRIFT])
    assert len({change["name"] for change in trend["changes"]}) == len(told)
    assert {change["acknowledged"] for change in trend["changes"]} == {None}


def test_steps_have_their_dates_and_their_causes(trend: dict[str, Any], nights: dict[str, int]) -> None:
    for case, what, planted in STEPS:
        (change,) = [
            each
            for each in trend["changes"]
            if key(each)[:2] == (case, what)
            and nights[each["earliest_run"]] <= planted <= nights[each["latest_run"]]
        ]
        assert abs(key(change)[2] - planted) <= 5
        assert 0 <= night_of(change["told_at"]) - planted <= (90 if change["ratio"] < 1.02 else 7)
        assert change["differences"][0]["name"] == CAUSES[planted]


def test_sizes_are_inside_their_intervals(trend: dict[str, Any], nights: dict[str, int]) -> None:
    for change in trend["changes"]:
        case, what, at = key(change)
        if what == "drift":
            planted = (nights[change["latest_run"]] - at) * math.log1p(YEAR.drifts[case])
        else:
            planted = min(
                (abs(each[2] - at), size) for each, size in STEPS.items() if each[:2] == (case, what)
            )[1]
        assert change["low"] <= math.exp(planted) <= change["high"], change["name"]


def names_and_places(series: Sequence[CaseSeries]) -> dict[str, int]:
    """Of each told change the place of the run that told it among all nights."""
    found = with_told(series, changes_of(series), {})
    places = {}
    for each in found:
        for change in each.told:
            place = each.series.points[change.told_at].position
            assert place is not None
            places[change.name] = place
    return places


def begun(series: CaseSeries, nights: int) -> CaseSeries:
    """As the archive had it after its first nights."""
    runs = sum(point.position is not None and point.position < nights for point in series.points)
    return structs.replace(series, runs=series.runs[:runs], points=series.points[:runs])


@pytest.mark.parametrize("nights", [100, 121, 175, 236, 305, 330])
def test_each_night_told_then_what_is_told_now_under_the_same_name(planted_year: Path, nights: int) -> None:
    whole = case_series.read(planted_year, label="nightly").series
    then = [each for series in whole if (each := begun(series, nights)).points]
    assert names_and_places(then) == {
        name: place for name, place in names_and_places(whole).items() if place < nights
    }


def test_outliers_are_marked_and_are_no_steps(trend: dict[str, Any]) -> None:
    found = {(case_of(row), night_of(row["at"])) for row in trend["rows"] if row["is_outlier"]}
    assert found == set(YEAR.outliers)


def test_nights_of_a_wrong_clock_are_where_they_were_measured(trend: dict[str, Any]) -> None:
    undated = {night_of(run["at"]) for run in trend["runs"] if not run["is_dated"]}
    assert undated == set(YEAR.wrong_clocks)
    assert {night_of(run["at"]) for run in trend["runs"]} == set(range(YEAR.nights)) - YEAR.missing - set(
        YEAR.labels
    )


def test_another_gpu_and_another_network_are_series_of_their_own(trend: dict[str, Any]) -> None:
    spans: dict[tuple[int, str, str], list[int]] = {}
    for row in trend["rows"]:
        spans.setdefault((case_of(row), row["kind"], row["fingerprint"]), []).append(night_of(row["at"]))
    first, last = {key: min(of) for key, of in spans.items()}, {key: max(of) for key, of in spans.items()}
    assert len(spans) == 2 * YEAR.cases + 1
    assert {first[key] for key in spans if key[1] == "New GPU"} == {345}
    assert {last[key] for key in spans if key[1] != "New GPU"} == {199, 344}
    assert {first[key] for key in spans if key[0] == 6 and key[1] != "New GPU"} == {0, 200}
