"""The figures of a report under one name each, as dashboards of other programs want them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from bench.schema.case import Case
from bench.schema.metrics import is_of
from models.errors import UserError
from reports.cells import Scalar
from reports.document import Document, Origin

AXES = ("model", "workload", "device", "precision", "engine", "layout", "batch", "threads", "tuning")
PEAKS = ("peak_resident", "peak_allocated")
"""Of memory: what a phase needs at most."""


class ExportedFigure(Struct, frozen=True, kw_only=True):
    """A time or a peak of memory, smaller is better, in s or bytes.

    name       `vgg11/training/cpu/fp32/eager/nchw/b8/t2`, with the machine where there are several, and with
               a number where that is not enough; all figures of one case on one machine share it
    case       the axes of the case
    low, high  of its interval; None where there is none
    """

    name: str
    case: Mapping[str, Scalar]
    phase: str
    metric: str
    unit: str
    value: float
    low: float | None
    high: float | None
    processes: int
    images_per_second: float | None

    @property
    def is_time(self) -> bool:
        return self.unit == "s"

    @property
    def key(self) -> str:
        """`NAME/backward/wall_time`: unlike that of any other figure of the report."""
        return f"{self.name}/{self.phase}/{self.metric}"


def exported_figures(document: Document) -> list[ExportedFigure]:
    """Times of steps by each clock, and peaks of memory, in the order of the report.

    Raises UserError for a document that has none.
    """
    rows = [row for row in document.rows if _is_exported(row)]
    if not rows:
        raise UserError(
            "this report has no times of steps and no peaks of memory, which are all that this format holds. "
            "Use --format json"
        )
    several = len({row.get("machine") for row in rows}) > 1
    return list(_numbered([_figure(row, several=several) for row in rows]))


def exported_machine(origin: Origin) -> str:
    """The machines of a report as one name."""
    return ", ".join(origin.machines) or "unknown"


def _is_exported(row: Mapping[str, Scalar]) -> bool:
    metric, value = str(row.get("metric")), row.get("median")
    is_time = is_of(metric, "time") and row.get("unit") == "s"
    return isinstance(value, int | float) and "model" in row and (is_time or metric in PEAKS)


def _figure(row: Mapping[str, Scalar], *, several: bool) -> ExportedFigure:
    machine = str(row.get("machine") or "")
    return ExportedFigure(
        name=_name(row) + (f" on {machine}" if several else ""),
        case={axis: row[axis] for axis in AXES if row.get(axis) not in (None, "")},
        phase=str(row["phase"]),
        metric=str(row["metric"]),
        unit=str(row["unit"]),
        value=float(row["median"] or 0),
        low=_number(row.get("low")),
        high=_number(row.get("high")),
        processes=int(row.get("processes") or 0),
        images_per_second=_number(row.get("images_per_second")),
    )


def _name(row: Mapping[str, Scalar]) -> str:
    """The id of the case; of one with a task without it."""
    known = {name: row[name] for name in Case.__struct_fields__ if row.get(name) is not None}
    parts = (msgspec.convert(known, Case).id, row.get("dataset"), row.get("recipe"))
    return "/".join(str(part) for part in parts if part)


def _number(value: Scalar) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _numbered(figures: Sequence[ExportedFigure]) -> Iterator[ExportedFigure]:
    """Two networks of one name, or two environments, are `NAME` and `NAME #2`."""
    seen: Counter[str] = Counter()
    for each in figures:
        seen[each.key] += 1
        count = seen[each.key]
        yield each if count == 1 else structs.replace(each, name=f"{each.name} #{count}")
