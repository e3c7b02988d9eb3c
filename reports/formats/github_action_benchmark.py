"""What github-action-benchmark reads as `tool: customSmallerIsBetter`: times in ms, memory in MiB.

https://github.com/benchmark-action/github-action-benchmark
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.schema.plain_text import encode
from bench.schema.plurals import how_many
from reports.document import Document
from reports.tables.exported_figures import ExportedFigure, exported_figures

NEEDS_TIMES = True
"""Only a document with figures of steps can be written so."""
_MILLISECONDS, _MIB = 1e3, 2.0**-20


def render(document: Document) -> str:
    """A list with an object for each figure. Raises UserError without figures."""
    machines = ", ".join(document.origin.machines) if document.origin else ""
    found = [_entry(each, machines) for each in exported_figures(document)]
    return msgspec.json.format(encode(found), indent=2).decode() + "\n"


def _entry(figure: ExportedFigure, machines: str) -> dict[str, Any]:
    scale, unit = (_MILLISECONDS, "ms") if figure.is_time else (_MIB, "MiB")
    entry: dict[str, Any] = {"name": figure.key, "unit": unit, "value": figure.value * scale}
    if figure.low is not None and figure.high is not None:
        entry["range"] = f"{figure.low * scale:.4g} to {figure.high * scale:.4g}"
    counted = how_many(figure.processes, "process", "processes")
    return entry | {"extra": "\n".join(filter(None, (counted, machines)))}
