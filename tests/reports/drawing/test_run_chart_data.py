"""What a page's script reads: safe inside a script element, and each text once."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from reports.drawing import run_chart_data
from reports.over_time import trend_report
from reports.run_charts import RunCharts
from tests.planted import planted_trend

SCRIPT = "</script><script>&\u2028"


def charts(nights: int = 80, count: int = 3) -> RunCharts:
    found = trend_report.document(planted_trend.year(nights, count)).charts
    assert found is not None
    return found


def test_no_text_ends_the_element_and_all_of_it_comes_back() -> None:
    found = charts()
    runs = structs.replace(found.runs, labels=(SCRIPT,) * len(found.runs.labels), sets=({SCRIPT: SCRIPT},))
    runs = structs.replace(runs, set_of=(0,) * len(runs.names))
    text = run_chart_data.data(structs.replace(found, runs=runs))
    assert not set("<>&\u2028") & set(text)
    read = json.loads(text)
    assert read["runs"]["labels"] == [SCRIPT]
    assert read["runs"]["conditions"] == [{"name": SCRIPT, "texts": [SCRIPT], "of": [0]}]


def test_every_run_of_every_chart_is_there() -> None:
    found = charts()
    read = json.loads(run_chart_data.data(found))
    for chart, own in zip(read["charts"], found.charts, strict=True):
        assert chart["runs"] == list(own.runs)
        assert chart["values"] == pytest.approx(own.values, rel=1e-4)
        assert len(chart["low"]) == len(chart["high"]) == len(own.values)
    conditions = {each["name"]: each for each in read["runs"]["conditions"]}
    assert conditions["driver"]["texts"] == ["575.51", "580.10"]
    driver = conditions["driver"]["of"]
    assert [driver[place] for place in read["runs"]["set"]].count(1) == 80 - planted_trend.NEW_DRIVER


def test_years_of_nights_stay_small() -> None:
    text = run_chart_data.data(charts(1825, 4))
    assert len(text) < 1825 * (100 + 4 * 30)
