"""What a page's script needs to show the run under a pointer: columns as JSON, and each text once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.schema.plain_text import encode
from reports.drawing.run_chart_svg import frame_of
from reports.run_charts import ChartRuns, RunChart, RunCharts

_DIGITS = 5
"""Of a figure: more are not shown."""


def data(charts: RunCharts) -> str:
    """JSON that can stand inside a `<script>` element: without `<`, `>` and `&`, whatever the texts hold."""
    found = {
        "runs": _runs(charts.runs),
        "charts": [_chart(chart, charts.runs.seconds) for chart in charts.charts],
    }
    text = encode(found).decode()
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _runs(runs: ChartRuns) -> Mapping[str, object]:
    """Conditions by name: each has its distinct texts, and for each set of conditions the place of its own,
    or -1."""
    names = dict.fromkeys(name for each in runs.sets for name in each)
    conditions = []
    for name in names:
        texts: dict[str, int] = {}
        places = [texts.setdefault(each[name], len(texts)) if name in each else -1 for each in runs.sets]
        conditions.append({"name": name, "texts": list(texts), "of": places})
    labels = {label: at for at, label in enumerate(dict.fromkeys(runs.labels))}
    return {
        "names": runs.names,
        "at": [at[:16].replace("T", " ") for at in runs.at],
        "seconds": [int(each) for each in runs.seconds],
        "undated": sorted(runs.undated),
        "labels": list(labels),
        "label": [labels[label] for label in runs.labels],
        "set": runs.set_of,
        "conditions": conditions,
    }


def _chart(chart: RunChart, seconds: Sequence[float]) -> Mapping[str, object]:
    frame = frame_of(chart, seconds)
    is_one = len(set(chart.processes)) == 1
    return {
        "unit": chart.unit,
        "box": [frame.left, frame.right, frame.top, frame.bottom],
        "time": [frame.first, frame.last],
        "range": [_short(frame.low), _short(frame.high)],
        "runs": chart.runs,
        "values": [_short(value) for value in chart.values],
        "low": [_short(value) for value in chart.low],
        "high": [_short(value) for value in chart.high],
        "processes": chart.processes[:1] if is_one else chart.processes,
        "outliers": chart.outliers,
        "marks": [[mark.at, mark.words] for mark in chart.marks],
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
