"""What airspeed velocity must know of the benchmarks of a results file, for `results/benchmarks.json`.

https://asv.readthedocs.io
"""

from __future__ import annotations

from typing import Any

import msgspec

from bench.schema.plain_text import encode
from reports.document import Document
from reports.tables.exported_figures import ExportedFigure, exported_figures

NEEDS_TIMES = True
"""Only a document with figures of steps can be written so."""
_API_VERSION = 2


def render(document: Document) -> str:
    """One object: name -> benchmark. Raises UserError without figures."""
    found: dict[str, Any] = {each.key: _benchmark(each) for each in exported_figures(document)}
    return msgspec.json.format(encode(found | {"version": _API_VERSION}), indent=1).decode() + "\n"


def _benchmark(figure: ExportedFigure) -> dict[str, Any]:
    """asv counts results of the same version alone; ours is the unit."""
    return {
        "code": "",
        "name": figure.key,
        "param_names": [],
        "params": [],
        "timeout": 60,
        "type": "time" if figure.is_time else "memory",
        "unit": "seconds" if figure.is_time else "bytes",
        "version": figure.unit,
    }
