"""Bencher Metric Format, as `bencher run --adapter json` reads it: times in ns, memory in bytes.

https://bencher.dev/docs/reference/bencher-metric-format
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.schema.plain_text import encode
from reports.document import Document
from reports.tables.exported_figures import ExportedFigure, exported_figures

NEEDS_TIMES = True
"""Only a document with figures of steps can be written so."""
_NANOSECONDS = 1e9
_MEASURES = {"wall_time": "latency", "device_time": "device-latency", "host_time": "host-latency"}
"""`latency` is Bencher's own measure, in ns; others it makes by their name."""


def render(document: Document) -> str:
    """One object: benchmark -> measure -> value with its interval. Raises UserError without figures."""
    found: dict[str, dict[str, Any]] = {}
    for each in exported_figures(document):
        measures = found.setdefault(f"{each.name}/{each.phase}", {})
        measures[_measure(each)] = _values(each)
        if each.images_per_second is not None and each.metric == "wall_time":
            measures["images-per-second"] = {"value": each.images_per_second}
    return msgspec.json.format(encode(found), indent=2).decode() + "\n"


def _measure(figure: ExportedFigure) -> str:
    return _MEASURES.get(figure.metric, figure.metric.replace("_", "-"))


def _values(figure: ExportedFigure) -> dict[str, float]:
    scale = _NANOSECONDS if figure.is_time else 1.0
    known = {"value": figure.value, "lower_value": figure.low, "upper_value": figure.high}
    return {name: value * scale for name, value in known.items() if value is not None}
