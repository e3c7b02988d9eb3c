"""A run folder as if it were a file of pytest-benchmark, to stand on one side of a comparison."""

from __future__ import annotations

from pathlib import Path

from reports.pytest_files.saved_files import PytestFile
from reports.pytest_files.timed_benchmark import timed
from reports.sections.timed_benchmarks import timed_benchmarks
from reports.summary.pooling import summarise


def of_run(folder: Path) -> PytestFile:
    """Its timed phases, with the medians of all processes. Raises UserError as `summarise` does."""
    summary = summarise([folder])
    environments = list(summary.environments.values())
    first = environments[0] if len(environments) == 1 else None
    return PytestFile(
        path=folder,
        benchmarks=tuple(timed(each, str(folder)) for each in timed_benchmarks(summary)),
        machine=f"{first.host}, {first.cpu}" if first else "",
        libraries={"python": first.python} | first.libraries if first else {},
        commit=(first.commit or "") if first else "",
    )
