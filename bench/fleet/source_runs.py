"""The run folders behind what `convbench merge` is given: runs, folders of runs, and fleets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.record_lines import refusals
from bench.run_folders import FLEET, NODES, located, named_run
from bench.store import RECORDS
from models.errors import UserError


def source_runs(named: Sequence[Path], out: Path) -> list[Path]:
    """The run folders, each once, by their names. Raises UserError for what holds no run, and where `out` is
    one of them or below what is named: what it unites would be found in it again."""
    found: dict[Path, Path] = {}
    for path in named:
        _refuse(located(path), path, out)
        with refusals(path):
            below = [folder for folder in named_run(path).run_folders if (folder / RECORDS).exists()]
        if not below:
            raise UserError(f"{path} is no run folder and holds none (no {RECORDS}). Give folders of --out")
        for folder in below:
            found.setdefault(folder.resolve(), folder)
    return sorted(found.values(), key=in_counting_order)


def of_one_run(folder: Path) -> Path:
    """What the folder is a part of: all attempts of a node of a fleet are one run."""
    folder = folder.resolve()
    for above in folder.parents:
        nodes = above / NODES
        if folder.is_relative_to(nodes) and (above / FLEET).exists():
            return nodes / folder.relative_to(nodes).parts[0]
    return folder


def in_counting_order(folder: Path) -> tuple[tuple[int, str], ...]:
    """Attempt 10 after attempt 9."""
    parts = re.split(r"(\d+)", str(folder))
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _refuse(path: Path, named: Path, out: Path) -> None:
    if not path.exists():
        raise UserError(f"there is no folder {str(named)!r}. Give folders of --out")
    if not path.is_dir():
        raise UserError(f"{named} is a file. Give the run folder that has {RECORDS} in it")
    if path.resolve() == out.resolve():
        raise UserError(f"{path} is both a run to merge and --out. Choose another --out")
    if out.resolve().is_relative_to(path.resolve()):
        raise UserError(f"--out {out} is inside {path}, which is merged. Choose a folder outside of it")
