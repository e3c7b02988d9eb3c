"""Prometheus' text format, for the textfile folder of a node exporter: `-o convbench.prom`.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from reports.document import Document
from reports.tables.exported_figures import ExportedFigure, exported_figures

NEEDS_TIMES = True
"""Only a document with figures of steps can be written so."""
_HELP = {
    "convbench_time_seconds": "Time of a phase of a step: geometric mean of the medians of processes.",
    "convbench_time_seconds_low": "Lower end of its 95% interval.",
    "convbench_time_seconds_high": "Upper end of its 95% interval.",
    "convbench_images_per_second": "Images per second of the whole step.",
    "convbench_peak_memory_bytes": "Peak of memory in a phase.",
    "convbench_processes": "Processes behind a figure.",
    "convbench_finished_timestamp_seconds": "When the last of the records was finished.",
}


def render(document: Document) -> str:
    """A gauge for each figure. Raises UserError without figures."""
    figures = exported_figures(document)
    gauges = [_gauge(name, list(_samples(name, figures))) for name in _HELP]
    finished = _finished(document)
    if finished is not None:
        gauges.append(_gauge("convbench_finished_timestamp_seconds", [({}, finished)]))
    return "".join(gauges)


def _samples(name: str, figures: Sequence[ExportedFigure]) -> Iterator[tuple[Mapping[str, str], float]]:
    for each in figures:
        values: Mapping[str, float | None] = {
            "convbench_processes": each.processes,
            **(
                {
                    "convbench_time_seconds": each.value,
                    "convbench_time_seconds_low": each.low,
                    "convbench_time_seconds_high": each.high,
                    "convbench_images_per_second": each.images_per_second,
                }
                if each.is_time
                else {"convbench_peak_memory_bytes": each.value}
            ),
        }
        value = values.get(name)
        if value is not None:
            yield _labels(each), value


def _labels(figure: ExportedFigure) -> dict[str, str]:
    """The name is unlike that of any other case; the axes are there to select by."""
    axes = {axis: str(value) for axis, value in figure.case.items()}
    return axes | {"case": figure.name, "phase": figure.phase, "metric": figure.metric}


def _gauge(name: str, samples: Sequence[tuple[Mapping[str, str], float]]) -> str:
    if not samples:
        return ""
    lines = [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {value!r}" if inner else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _finished(document: Document) -> float | None:
    origin = document.origin
    text = (origin.finished_at or origin.started_at) if origin else None
    return datetime.fromisoformat(text).timestamp() if text else None
