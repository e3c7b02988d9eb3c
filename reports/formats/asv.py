"""A results file of airspeed velocity (API version 2), for `results/MACHINE/COMMIT-convbench.json`.

asv shows it where it finds the commit, by all its digits, and what the formats asv-benchmarks and asv-machine
write beside it.

https://asv.readthedocs.io
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bench.host import commit_names
from bench.schema.plain_text import encode
from models.errors import UserError
from reports.document import Document, Origin
from reports.tables.exported_figures import ExportedFigure, exported_figures, exported_machine

NEEDS_TIMES = True
"""Only a document with figures of steps can be written so."""
_API_VERSION = 2
_COLUMNS = ("result", "params", "version")
_MILLISECONDS = 1000
ENVIRONMENT = "convbench"


def render(document: Document) -> str:
    """One object. Raises UserError without figures, and where the records are not of one commit."""
    figures, origin = exported_figures(document), document.origin or Origin()
    if len(origin.commits) != 1:
        found = f"these are of {len(origin.commits)}" if origin.commits else "these records name none"
        raise UserError(f"a file of asv is about one commit, and {found}. Use --format json")
    (commit,) = origin.commits
    if not commit_names.is_whole(commit):
        raise UserError(
            "a file of asv is about one commit, and these records were made with changes that were not "
            "committed. Use --format json"
        )
    fields = {
        "commit_hash": commit_names.full(commit),
        "env_name": ENVIRONMENT,
        "date": _milliseconds(origin.finished_at or origin.started_at),
        "params": {"machine": exported_machine(origin), "env": ENVIRONMENT},
        "python": "",
        "requirements": {},
        "env_vars": {},
        "result_columns": _COLUMNS,
        "results": {each.key: _row(each) for each in figures},
        "durations": {},
        "version": _API_VERSION,
    }
    return msgspec.json.format(encode(fields), indent=1).decode() + "\n"


def _row(figure: ExportedFigure) -> list[Any]:
    """In the order of the columns; a benchmark without parameters has one result."""
    return [[figure.value], [], figure.unit]


def _milliseconds(text: str | None) -> int:
    return round(datetime.fromisoformat(text).timestamp() * _MILLISECONDS) if text else 0
