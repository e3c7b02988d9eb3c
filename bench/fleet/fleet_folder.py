"""Where the files of a fleet lie, and the plan that its folder keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bench.record_lines import refusals
from bench.runner.plan_file import PLAN
from bench.schema.fleet_plan import FLEET, FLEET_SCHEMA, JOBS, NODES, FleetPlan
from bench.store import RECORDS, read_json, write_json
from models.errors import UserError

SUITE = "suite.toml"
"""Copy of the user's file: an attempt of tomorrow measures what today's does."""
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def refuse_unsafe(nodes: Iterable[str]) -> None:
    """UserError for a name that could leave its folder, or that a shell reads as something else."""
    for node in nodes:
        if not _SAFE.fullmatch(node):
            raise UserError(f"{node!r} is no name of a node: letters, digits and . _ - are accepted")


def node_folder(folder: Path, node: str) -> Path:
    return folder / NODES / node


def attempt_folder(folder: Path, node: str, attempt: int) -> Path:
    return node_folder(folder, node) / str(attempt)


def jobs_folder(folder: Path) -> Path:
    return folder / JOBS


def attempt_folders(folder: Path, node: str) -> list[Path]:
    """Those of a node that exist, in their order."""
    own = node_folder(folder, node)
    found = (
        [each for each in own.iterdir() if each.name.isdecimal() and each.is_dir()] if own.is_dir() else []
    )
    return sorted(found, key=lambda each: int(each.name))


def run_folders(attempt: Path) -> list[Path]:
    """Of an attempt: itself, or one for each GPU, which has a plan before it has records."""
    with refusals(attempt):
        return sorted(each for each in (attempt, *attempt.iterdir()) if _is_run(each))


def _is_run(folder: Path) -> bool:
    return (folder / PLAN).exists() or (folder / RECORDS).exists()


def write(folder: Path, plan: FleetPlan) -> None:
    """Put the plan into the folder, whole and through to the disk. UserError where that is refused."""
    with refusals(folder):
        jobs_folder(folder).mkdir(parents=True, exist_ok=True)
        (folder / NODES).mkdir(exist_ok=True)
    write_json(folder / FLEET, plan)


def read(folder: Path) -> FleetPlan:
    """The plan of a fleet's folder. UserError, in one sentence, for a folder that is none, and for a file
    that is damaged or of a newer convbench."""
    path = folder / FLEET
    plan = read_json(path, FleetPlan, FLEET_SCHEMA) if path.exists() else None
    if plan is None:
        raise UserError(
            f"{folder} is not the folder of a fleet (no {FLEET}). Give the folder that --out of "
            "`convbench fleet run` named"
        )
    refuse_unsafe([*plan.nodes, plan.name])
    return plan


def refuse_used(folder: Path) -> None:
    """UserError where the folder holds a fleet or a run already, or lies in that of a fleet."""
    if (folder / FLEET).exists():
        raise UserError(
            f"{folder} already contains a fleet. Add --resume to measure what is missing, or choose another "
            "--out"
        )
    if (folder / RECORDS).exists():
        raise UserError(f"{folder} contains a run of one machine. Choose another --out")
    around = next((each for each in folder.absolute().parents if (each / FLEET).exists()), None)
    if around is not None:
        raise UserError(f"{folder} lies in the folder of another fleet, {around}. Choose another --out")
