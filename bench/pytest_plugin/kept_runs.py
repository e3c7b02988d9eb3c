"""Where a pytest session keeps its processes: run folders 0001, 0002, ... beside the saved benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.pytest_plugin.gate_options import GateOptions
from bench.run_folders import located
from bench.store import RECORDS
from models.errors import UserError

FOLDER = "convbench"
"""In the storage of pytest-benchmark, which looks for files there and in none of its folders' folders."""
BASE = "base.txt"
"""In the folder of a run that a later session compares with: it was measured to its end, and no gate failed.
A gate that failed would else pass when it is repeated, since the slow run is the last one then."""


def new_folder(options: GateOptions, config: pytest.Config) -> Path:
    """The folder of this session's run. Raises pytest.UsageError where there is no place for it."""
    if options.out is not None:
        if (options.out / RECORDS).exists():
            raise pytest.UsageError(f"--convbench-out={options.out} already contains a run")
        return options.out
    kept = _kept(config)
    return _storage(config) / f"{int(kept[-1].name) + 1 if kept else 1:04}"


def keep_as_base(folder: Path) -> None:
    """From now on `--convbench-compare` takes this run, until there is a later one."""
    (folder / BASE).write_text("pytest --convbench-compare takes the last run that has this file.\n")


def compared_with(options: GateOptions, config: pytest.Config) -> Path | None:
    """The run of `--convbench-compare`. Raises pytest.UsageError, before anything is measured, where it is
    not there."""
    named = options.compare
    if named is None:
        return None
    if named and _is_run(Path(named)):
        return Path(named)
    kept = _kept(config)
    bases = [each for each in kept if (each / BASE).exists()]
    if not named and bases:
        return bases[-1]
    found = [each for each in kept if named.isdecimal() and int(each.name) == int(named)]
    if found:
        return found[0]
    where = _storage(config)
    if kept and not named:
        raise pytest.UsageError(
            f"--convbench-compare: each run in {where} was interrupted or failed its gate. Name the one to "
            f"compare with, as in --convbench-compare={int(kept[-1].name)}"
        )
    wanted = (
        f"--convbench-compare={named}: no run folder, and none" if named else "--convbench-compare: no run"
    )
    raise pytest.UsageError(f"{wanted} is kept in {where}. Measure one with --convbench-replicates 5")


def _is_run(named: Path) -> bool:
    """Whether it has records: a run folder, or `@NAME` of the archive."""
    try:
        return (located(named) / RECORDS).exists()
    except UserError as error:
        raise pytest.UsageError(f"--convbench-compare={named}: {error}") from error


def _kept(config: pytest.Config) -> list[Path]:
    """The runs of earlier sessions, oldest first."""
    return sorted(
        (path.parent for path in _storage(config).glob(f"*/{RECORDS}") if path.parent.name.isdecimal()),
        key=lambda folder: int(folder.name),
    )


def _storage(config: pytest.Config) -> Path:
    session: Any = getattr(config, "_benchmarksession", None)
    path = getattr(getattr(session, "storage", None), "path", None)
    if path is None:
        raise pytest.UsageError("the storage of pytest-benchmark is no folder. Add --convbench-out DIR")
    return Path(path) / FOLDER
