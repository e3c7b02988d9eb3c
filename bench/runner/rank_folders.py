"""Where the ranks of a case write, in the folder of a run."""

from __future__ import annotations

from pathlib import Path

from bench.plan import rank_places
from bench.runner.run_folder import log_of
from bench.schema.job import Job, RankFiles

_MARGIN, _MOST_MARGIN_SECONDS = 0.1, 5.0
"""A job gives itself up so long before its time limit, while it can still say where each rank was."""


def rank_files(asked: Job, directory: Path) -> RankFiles:
    """Of a job in this run's folder."""
    limit = asked.protocol.time_limit_seconds
    return RankFiles(
        folder=str((directory / "work" / asked.case.file_name / "ranks").resolve()),
        logs=str(log_of(asked.case, directory).with_suffix("").resolve()),
        ranks=asked.case.ranks,
        nodes=rank_places.nodes_for(asked.case, rank_places.of_host(asked.case)),
        seconds=limit - min(_MOST_MARGIN_SECONDS, _MARGIN * limit),
    )
