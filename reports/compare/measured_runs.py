"""The runs behind a comparison: where their records come from, and whether they shared the machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.store import RECORDS, read_records
from reports.document import Origin
from reports.sections.origin import origin_of
from reports.summary.contended import records_not_alone
from reports.summary.pooling import summarise


class MeasuredRuns(NamedTuple):
    """`origin` is None where no run has a record yet."""

    origin: Origin | None
    alarms: tuple[str, ...]


def measured_runs(folders: Iterable[Path]) -> MeasuredRuns:
    """Of run folders, those without a record included. Raises UserError for damaged records."""
    kept = [folder for folder in folders if any(read_records(folder / RECORDS))]
    records = (record for folder in kept for record in read_records(folder / RECORDS))
    return MeasuredRuns(
        origin=origin_of(summarise(kept)) if kept else None, alarms=tuple(records_not_alone(records))
    )
