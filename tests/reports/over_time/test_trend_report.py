"""The report of a trend, against what is planted: sentences, order, tables, rows, in every format."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import cast

import pytest
from msgspec import structs

from bench.archive.case_series import SeriesRun
from reports import formats
from reports.document import Answer, Document, Table
from reports.over_time import trend_report
from reports.over_time.trended import TrendedSeries
from tests.planted import planted_trend

LINES, WIDTH = 24, 100


@pytest.fixture(scope="module")
def document() -> Document:
    return trend_report.document(planted_trend.year())


def answer(document: Document) -> Answer:
    assert document.answer is not None
    return document.answer


def shown(*series: TrendedSeries, **of: object) -> Document:
    whole = structs.replace(planted_trend.year(30, 1), series=series)
    return trend_report.document(structs.replace(whole, **of))


def part(document: Document, name: str) -> Table:
    """The only table of a part."""
    (found,) = (table for each, tables in document.parts.items() if each.name == name for table in tables)
    return found


def column(table: Table, name: str) -> list[object]:
    return [row[table.columns.index(name)] for row in table.rows]


def name(document: Document, case: str) -> str:
    """Of the only change of a case."""
    (found,) = (str(each["name"]) for each in document.lists["changes"] if str(each["case"]).startswith(case))
    return found


def test_it_says_what_stepped_by_how_much_when_and_with_what_change(document: Document) -> None:
    vgg16, alexnet, vgg11 = (
        name(document, case) for case in ("vgg16/training", "alexnet", "vgg11/inference")
    )
    assert answer(document).headlines == (
        "3 of 40 cases stepped in 88 nights, 1 drifts. Nothing new on 31 March.",
        "VGG-16 training, batch 8 got 3.1% slower (2.5% to 3.7%) on 14 March, with driver 575.51 → 580.10 "
        f"({vgg16}).",
        "AlexNet inference, batch 8 got 1.0% slower (0.4% to 1.6%) on 12 February, conditions unchanged "
        f"({alexnet}).",
        f"VGG-11 inference, batch 8 drifts: 3.5% slower (3.2% to 3.9%) from 1 January to 31 March ({vgg11}).",
    )
    table = answer(document).table
    assert table is not None
    assert table.notes == ("1 more change and 35 more cases: --full. 1 acknowledged change not repeated.",)
    assert answer(document).warnings == "! 1 run of a wrong clock, dated by when added."


def test_the_answer_fits_on_a_screen(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = formats.render("terminal", document).splitlines()
    assert len(lines) <= LINES
    assert max(len(line) for line in lines if not line.startswith("Next: ")) <= WIDTH
    monkeypatch.setattr("reports.formats.terminal.PLAIN_WIDTH", 100)
    assert "▁▁" in formats.render("terminal", document)


def test_what_changed_comes_first_and_what_was_answered_last(document: Document) -> None:
    names = column(part(document, "series"), "case")
    assert names[:4] == [
        "VGG-16 training, batch 8",
        "AlexNet inference, batch 8",
        "VGG-11 inference, batch 8",
        "VGG-13 inference, batch 8",
    ]
    assert names[-1] == "LeNet-5 inference, batch 8"
    assert document.charts is not None
    assert [chart.title for chart in document.charts.charts] == names


def test_what_was_answered_is_not_told_again(document: Document) -> None:
    told = str((answer(document).headlines, part(document, "steps").rows))
    assert "LeNet-5" not in told
    acknowledged = part(document, "acknowledged")
    assert column(acknowledged, "why") == ["a slower but correct normalization"]
    assert column(acknowledged, "by") == ["ada"]


def test_every_boundary_is_shown_with_its_test(document: Document) -> None:
    boundaries = part(document, "boundaries")
    changes = column(boundaries, "change")
    assert len(changes) == 40
    assert changes[0] == "▲ +3.1% (+2.5% to +3.7%)"
    assert set(changes[1:]) == {"= no change within ±0.4%"}
    assert set(column(boundaries, "with")) == {"driver 575.51 → 580.10"}


def test_drifts_outliers_and_wrong_clocks_have_parts_of_their_own(document: Document) -> None:
    (drift,) = part(document, "drifts").rows
    assert drift[0] == "VGG-11 inference, batch 8"
    assert drift[2:5] == ("2026-01-01", "2026-03-31", 88)
    assert column(part(document, "outliers"), "day") == ["2026-03-05", "2026-02-05"]
    assert column(part(document, "undated"), "added") == ["2026-01-31 02:00"]


def test_cases_that_stepped_at_one_run_are_one_sentence() -> None:
    own = planted_trend.runs(30)
    cases = planted_trend.cases(40)
    series = [
        planted_trend.series(own, case=case, steps={12: 0.02 + 0.001 * at} if at < 12 else {}, seed=at)
        for at, case in enumerate(cases)
    ]
    document = shown(*series)
    assert answer(document).headlines == (
        "12 of 40 cases stepped in 30 nights. Nothing new on 30 January.",
        "12 cases got 2.0% to 3.1% slower on 13 January, at the same run, conditions unchanged; "
        f"VGG-13 training, batch 8 most ({name(document, 'vgg13/training')}).",
    )


def slower_for_a_time(own: tuple[SeriesRun, ...], case: str, steps: Mapping[int, float]) -> TrendedSeries:
    """By 40% from run 22 on, and as before from run 26 on."""
    clock = {22: 0.4, 26: 1 / 1.4 - 1}
    return planted_trend.series(own, case=case, steps={**steps, **clock})


def test_what_was_slower_for_a_time_comes_after_what_lasts_and_is_not_called_slower_now() -> None:
    own, cases = planted_trend.runs(40), planted_trend.cases(3)
    lasting: Mapping[str, Mapping[int, float]] = {cases[1]: {14: 0.01}}
    document = shown(*(slower_for_a_time(own, case, lasting.get(case, {})) for case in cases))
    names = {
        str(each["at"])[:10]: each["name"] for each in document.lists["changes"] if each["case"] == cases[1]
    }
    assert document.title == "1 of 3 cases stepped"
    assert answer(document).headlines == (
        "1 of 3 cases stepped in 40 nights, 2 more for a time. Nothing new on 9 February.",
        "AlexNet inference, batch 8 got 1.0% slower (0.4% to 1.6%) on 15 January, conditions unchanged "
        f"({names['2026-01-15']}).",
        "3 cases were 40.0% slower from 23 to 26 January, conditions unchanged; "
        f"AlexNet inference, batch 8 most ({names['2026-01-23']}).",
    )
    table = part(document, "series")
    assert column(table, "case")[0] == "AlexNet inference, batch 8"
    assert column(table, "last change") == ["▲ +1.0% (+0.4% to +1.6%)", *["= as before"] * 2]
    assert column(table, "when") == ["2026-01-15", *["2026-01-27"] * 2]
    assert document.charts is not None
    notes = [chart.note for chart in document.charts.charts]
    assert "▲ +1.0%" in notes[0]
    assert "▲ +40.0% (+39.2% to +40.8%) from 23 to 26 January 2026" in notes[1]


def unconfirmed(trended: TrendedSeries) -> TrendedSeries:
    """The only change of it is told of runs that show none any more."""
    (change,) = trended.told
    return structs.replace(trended, told=(structs.replace(change, shift=planted_trend.shift(0.001, 0.002)),))


def test_what_later_runs_do_not_confirm_is_no_step() -> None:
    own, (first, second) = planted_trend.runs(40), planted_trend.cases(2)
    refuted = unconfirmed(planted_trend.series(own, case=first, steps={14: 0.01}))
    document = shown(refuted, planted_trend.series(own, case=second, steps={14: 0.02}))
    assert document.title == "1 of 2 cases stepped"
    assert answer(document).headlines[1].startswith("AlexNet inference, batch 8 got 2.0% slower")
    lenet5 = name(document, "lenet5")
    assert answer(document).headlines[2] == (
        f"Later runs do not confirm a change of LeNet-5 inference, batch 8 on 15 January ({lenet5})."
    )
    assert column(part(document, "series"), "last change")[1] == "= no change within ±0.3%"
    alone = shown(refuted)
    assert alone.title == "1 case, no new step"
    assert (
        answer(alone).headlines[0] == "No confirmed change in 40 nights of 1 case. Nothing new on 9 February."
    )


def test_what_is_new_in_the_last_run_is_counted_and_comes_first() -> None:
    own, (first, second) = planted_trend.runs(40), planted_trend.cases(2)
    document = shown(
        planted_trend.series(own, case=first, steps={14: 0.3}),
        planted_trend.series(own, case=second, steps={37: 0.02}),
    )
    count, newest, older = answer(document).headlines
    assert count == "2 of 2 cases stepped in 40 nights. 1 change is new on 9 February."
    assert newest.startswith("AlexNet inference, batch 8 got 2.0% slower")
    assert older.startswith("LeNet-5 inference, batch 8 got 30.0% slower")


def test_a_step_whose_run_is_not_sure_is_dated_by_the_runs_that_it_may_be() -> None:
    own = planted_trend.runs(40)
    trended = planted_trend.series(own, steps={30: 0.02})
    (step,) = trended.changes.steps
    vague = structs.replace(trended.changes, steps=(structs.replace(step, earliest=29, latest=31),))
    document = shown(structs.replace(trended, changes=vague))
    assert "between 30 January and 1 February" in answer(document).headlines[1]
    (between,) = column(part(document, "steps"), "between")
    assert between == f"{own[28].digest[:12]} and {own[31].digest[:12]}"


def test_nothing_found_is_said_and_where_runs_are_too_few() -> None:
    quiet = [planted_trend.series(planted_trend.runs(nights), case=f"c{nights}") for nights in (30, 7)]
    document = shown(quiet[0])
    assert document.title == "1 case, no new step"
    assert answer(document).headlines == ("No change found in 30 nights of 1 case.",)
    assert answer(shown(*quiet)).headlines[1:] == ("1 case had too few runs to find a change: it takes 8.",)
    few = shown(quiet[1])
    assert few.title == "1 case, too few runs"
    assert answer(few).headlines == ("7 nights of 1 case: a change can be found from 8 runs of a case on.",)


@pytest.mark.parametrize(
    "name", ["steps", "boundaries", "drifts", "outliers", "imported", "acknowledged", "undated", "damaged"]
)
def test_a_part_without_a_row_is_shown_where_it_is_asked_for(name: str) -> None:
    trended = structs.replace(
        planted_trend.year(30, 1), series=(planted_trend.series(planted_trend.runs(30)),)
    )
    asked = trend_report.document(trended, name).only(name)
    assert [(table.rows, table.notes) for table in asked.tables] == [((), ("None.",))]
    assert name not in {part.name for part in trend_report.document(trended).parts}


def test_an_archive_without_a_run_is_no_error() -> None:
    document = shown(damaged=("entry abc is damaged",))
    assert answer(document).headlines == ("No case has a run to show.",)
    assert answer(document).alarms == ("entry abc is damaged",)
    for name in formats.for_any():
        assert formats.render(name, document)


def test_since_cuts_the_lines_but_not_what_was_found_before() -> None:
    own = planted_trend.runs(60)
    document = shown(planted_trend.series(own, steps={10: 0.03}), since="2026-02-01")
    assert len(document.rows) == 60 - 31
    assert {row["at"] for row in document.rows} == {run.at for run in own[31:]}
    assert document.charts is not None
    (chart,) = document.charts.charts
    assert len(chart.values) == 29
    assert chart.levels[0].first == 0


def test_kinds_of_machines_and_other_tools_are_apart() -> None:
    own = planted_trend.runs(30)
    case = planted_trend.cases(1)[0]
    series = [
        planted_trend.series(own, case=case),
        planted_trend.series(own, case=case, kind="NVIDIA H200"),
        planted_trend.series(own, case="resnet50 @224", kind="H100", origin="timm", processes=1),
    ]
    document = shown(*series)
    titles = [table.title for table in document.tables]
    assert titles[-3:] == ["Cases on NVIDIA H100", "Cases on NVIDIA H200", "Measured by timm"]
    assert document.charts is not None
    assert [chart.group for chart in document.charts.charts] == [
        *("NVIDIA H100", "NVIDIA H200", "Measured by timm"),
    ]


def test_a_drift_is_drawn_as_a_slope_through_its_runs(document: Document) -> None:
    """0.04% a night over 88 runs: 3.5% in all, from 40 ms on."""
    assert document.charts is not None
    chart = next(each for each in document.charts.charts if each.title == "VGG-11 inference, batch 8")
    (slope,) = chart.slopes
    assert (slope.first, slope.last) == (0, 87)
    assert slope.end / slope.begin == pytest.approx(1.0004**87, rel=1e-5)
    assert slope.begin == pytest.approx(40.0, rel=0.005)


def test_rows_are_the_runs_of_each_series(document: Document) -> None:
    text = formats.render("csv", document)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 40 * 88
    case = "vgg16/training/cuda/fp32/eager/nchw/b8/t2"
    own = [row for row in rows if row["case"] == case]
    planted = next(each for each in planted_trend.year().series if each.series.case == case)
    for row, point, run in zip(own, planted.series.points, planted.series.runs, strict=True):
        assert float(row["seconds"]) == pytest.approx(math.exp(point.log_seconds), rel=1e-12)
        assert (row["run"], row["driver"]) == (run.digest, run.conditions["driver"])
    assert [row["at"][:10] for row in own if row["is_boundary"] == "1"] == ["2026-03-14"]
    assert sum(row["is_outlier"] == "1" for row in rows) == 2
    assert sum(row["is_dated"] == "0" for row in rows) == 40


def test_a_run_has_the_interval_of_its_processes(document: Document) -> None:
    """Five processes that scatter by 0.5%: t(4) = 2.776, so 0.621% on either side."""
    row = document.rows[0]
    for end, sign in (("low", -1), ("high", 1)):
        ratio = cast(float, row[end]) / cast(float, row["seconds"])
        assert math.log(ratio) == pytest.approx(sign * 2.7764451 * 0.005 / math.sqrt(5), rel=1e-6)
    one = shown(planted_trend.series(planted_trend.runs(5), processes=1)).rows[0]
    assert (one["low"], one["high"]) == (None, None)


def test_json_has_the_changes_and_the_runs_with_all_conditions(document: Document) -> None:
    found = json.loads(formats.render("json", document))
    assert len(found["rows"]) == 40 * 88
    assert len(found["runs"]) == 88
    assert found["runs"][0]["conditions"]["clock setting"] == "SM locked at 1980 MHz"
    first = found["changes"][0]
    assert (first["what"], first["case"]) == ("boundary", "vgg16/training/cuda/fp32/eager/nchw/b8/t2")
    assert first["ratio"] == pytest.approx(1.031)
    assert first["differences"] == [{"name": "driver", "before": "575.51", "after": "580.10"}]
    assert sum(each["acknowledged"] is not None for each in found["changes"]) == 1


def test_a_disturbed_run_is_named_wherever_it_is_shown() -> None:
    own = planted_trend.runs(30)
    with_label = structs.replace(own[20], conditions={**own[20].conditions, "disturbed by": "contended"})
    own = (*own[:20], with_label, *own[21:])
    found = shown(planted_trend.series(own, outliers=[20]))
    assert column(part(found, "outliers"), "disturbed by") == ["contended"]
    assert [row["disturbed_by"] for row in found.rows[19:22]] == [None, "contended", None]
    assert "disturbed by" not in part(shown(planted_trend.series(own, outliers=[9])), "outliers").columns


def test_a_run_on_two_kinds_of_machine_has_the_conditions_of_each() -> None:
    first = planted_trend.series(planted_trend.runs(12))
    other = [structs.replace(run, conditions={"driver": "other"}) for run in first.series.runs]
    second = structs.replace(
        first, series=structs.replace(first.series, kind="Another GPU", runs=tuple(other))
    )
    told = shown(first, second).lists["runs"]
    assert len(told) == 24
    assert [each["kind"] for each in told[:2]] == sorted({"Another GPU", first.series.kind})
    drivers = {each["kind"]: cast(dict[str, str], each["conditions"])["driver"] for each in told}
    assert drivers["Another GPU"] == "other" != drivers[first.series.kind]


def test_markdown_has_the_lines_too(document: Document) -> None:
    text = formats.render("md", document)
    assert text.startswith("# 3 of 40 cases stepped\n")
    assert any("▁" in line and "VGG-16 training" in line for line in text.splitlines())


def test_a_long_list_of_damaged_runs_leaves_room_for_the_answer() -> None:
    damaged = tuple(f"entry {at} is damaged" for at in range(20))
    document = trend_report.document(structs.replace(planted_trend.year(), damaged=damaged))
    assert len(answer(document).alarms) == 2
    assert "! 20 damaged runs left out." in answer(document).warnings
    assert len(part(document, "damaged").rows) == 20


def test_a_case_that_fails_now_is_named_on_the_first_screen() -> None:
    fails, works = (
        planted_trend.series(planted_trend.runs(12), case=case)
        for case in ("vgg16/training/cuda/fp32/eager/nchw/b8/t2", "vgg11/training/cuda/fp32/eager/nchw/b8/t2")
    )
    since = ("2026-01-13T02:00:00+00:00", "2026-01-14T02:00:00+00:00")
    failing = structs.replace(fails, series=structs.replace(fails.series, failed_at=since))
    said = answer(shown(failing, works)).warnings
    assert said == "! 1 case failed in every run since 2026-01-13: VGG-16 training, batch 8."
    assert answer(shown(fails, works)).warnings == ""
