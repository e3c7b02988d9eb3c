"""Where the files of a run lie: logs, caches, checkpoints."""

from __future__ import annotations

from pathlib import Path

from bench.schema.case import Case

CHECKPOINTS = "checkpoints"
"""Folder in a run's own, for what unfinished training runs go on from."""


def log_of(case: Case, directory: Path) -> Path:
    """Where the output of a case's process goes."""
    return directory / "logs" / f"{case.file_name}.log"


def forget_logs(case: Case, directory: Path) -> None:
    """Of a case that went well: its process's, and those of its ranks."""
    log = log_of(case, directory)
    log.unlink(missing_ok=True)
    for rank in range(case.ranks if case.strategy else 0):
        log.with_name(f"{case.file_name}.rank{rank}.log").unlink(missing_ok=True)


def cache_of(case: Case, caches: Path) -> Path:
    """Where Inductor keeps what it compiled for a case, whatever its replicate."""
    return caches / case.without_replicate().file_name


def checkpoint_of(case: Case, directory: Path) -> Path:
    """Where a training run is kept after each epoch."""
    return directory / CHECKPOINTS / f"{case.file_name}.pt"
